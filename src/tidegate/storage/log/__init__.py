"""The prediction log's parts: journal records in, typed rows in Delta tables out.

    PredictionRecord ... --batches.py--> Blocks (one array a tensor, rows of many requests joined)
                                           |  columns.py: which column each tensor goes to, kept in columns.json
                                           v
                         frames.py: one DataFrame with what the record says, features, outputs, extra
                                           |
    FeedbackRecord ...   --feedback.py-->  v
                         tables.py: append (with the journal's positions), compact, expire, erase's clean-up

ingest writes with these; views read with them, so that a record not yet ingested looks as it will when it is.
docs/format/prediction-log.md is the reference of the columns.
"""
