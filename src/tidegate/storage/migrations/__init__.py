"""Alembic's migrations of the state database, run by `tidegate.storage.migrate` when a program opens an older one."""
