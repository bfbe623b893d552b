"""API keys: create, list, revoke."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Annotated

import typer

from tidegate.cli.common import JsonOption, Place, ProjectOption, actor
from tidegate.cli.show import moment, note, out, print_json, table

keys = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")


def add_to(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.add_typer(keys, name="keys")


@keys.command()
def create(
    role: Annotated[
        str,
        typer.Option(
            "--role", "-r", help="predict, view, review, operate or admin; each may what those before it may."
        ),
    ],
    name: Annotated[str, typer.Option("--name", "-n", help="What it is for, to know it again.")] = "",
    expires: Annotated[str | None, typer.Option("--expires", help="How long it is valid, as 90d.")] = None,
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """Create a key and print its secret, once: only a digest is kept. A running project knows it within two seconds.

    [dim]Example:[/]  tidegate keys create --role predict --name web-shop --expires 90d
    """
    from tidegate.changes import create_key
    from tidegate.cli.project import parse_seconds

    valid_for = parse_seconds(expires, "--expires") if expires else 0.0
    secret, stored = create_key(Place(project).layout, role, name, valid_for=valid_for, actor=actor())
    if json:
        print_json({"id": stored.id, "role": stored.role, "name": name, "expires": stored.expires, "secret": secret})
        return
    note().print(f"key [bold]{stored.id}[/] with role {role}; this is the only time its secret is shown:")
    typer.echo(secret)


@keys.command(name="list")
def list_keys(project: ProjectOption = None, json: JsonOption = False) -> None:
    """List all keys, also those revoked or past their end; never their secrets.

    [dim]Example:[/]  tidegate keys list
    """
    from tidegate.storage.state import StateStore

    with closing(StateStore(Place(project).layout)) as store:
        found = store.list_keys()
    now = time.time()

    def standing(valid: bool, revoked: float) -> str:
        return "valid" if valid else ("revoked" if revoked else "ended")

    if json:
        print_json(
            [
                {
                    "id": k.id, "role": k.role, "name": k.name, "created": k.created, "expires": k.expires,
                    "revoked": k.revoked, "state": standing(k.valid(now), k.revoked),
                }
                for k in found
            ]
        )  # fmt: skip
    elif not found:
        out().print("no keys; `tidegate keys create --role predict` makes one")
    else:
        rows = [
            (k.id, k.role, k.name, moment(k.created), moment(k.expires), standing(k.valid(now), k.revoked))
            for k in found
        ]
        out().print(table(("id", "role", "name", "created", "ends", "state"), rows))


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `keys list` shows it.")],
    project: ProjectOption = None,
    json: JsonOption = False,
) -> None:
    """End a key now. A running project refuses it within two seconds.

    [dim]Example:[/]  tidegate keys revoke 5f2c9a0b13de
    """
    from tidegate.changes import revoke_key

    stored = revoke_key(Place(project).layout, key_id, actor=actor())
    if json:
        print_json({"id": stored.id, "revoked": stored.revoked})
    else:
        note().print(f"key {stored.id} is revoked")
