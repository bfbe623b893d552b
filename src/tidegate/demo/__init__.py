"""`tidegate demo`: five years of real road accidents as live traffic, on this machine, in about a minute and a half.

    data.py      the accidents file, taken out of a published wheel, checked by digest
      -> train.py     severity version 1, fitted on 2016 alone; reference rows; the labels kept apart
      -> project.py   tidegate.yaml, and `tidegate up` as a process of its own
      -> replay.py    2017 .. 2021: one request a row over many connections, labels later as feedback
      -> commands.py  what a user would type
      -> loop.py      the years again where retraining is on: AUC by year without and with it
      -> figures.py   what the prediction log says: rows, quality by year, each acknowledged answer there once
      -> view.py      all of it live in the terminal, or as plain lines
    page.py      a page's own little server, for the demos that have one
    cli.py       the order of the above; whatever was started ends with it

The point of it: the model is good in 2016, and the world moves on. No figure shown here is the client's word:
counts and quality are read from the log.
"""
