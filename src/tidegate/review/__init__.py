"""People beside the model: a queue of what they decide, and how much the model decides.

gateway --journal--> ingest: tasks --storage.review--> claim, answer (api, cli, dashboard)
                                                          |
keeper.py (in the monitor process), each half second      v
    late tasks --> first, or decided by the model or a rule
    decisions --> labels in the journal, webhooks of callers
    degrees.py: people's answers beside the model's --> evidence --> the threshold from which it decides, steps down
raters.py: how many each person answers, how fast, and how far they agree
options.py: what the project file says of it
"""
