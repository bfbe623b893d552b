"""What is kept, and the only code that knows where.

gateway --lines--> journal.py --(journal_reader.py)--> ingest --> delta.py, blobs.py --> views
CLI, API --changes--> state.py --> controller

layout.py   every path of the state folder
options.py  what a user may say of it
"""
