"""Checks of data before a model is learned from it: a report that a person can act on, and safe repairs as a new data set.

    folder or table, labels --load.py--> Data (items, labels, raters, sets; media measured once: media.py)
        --labels, confident, conventions, duplicates, leaks, balance, schema, age, audio, image, text--> Finding
    --repair.py--> a copy without duplicates, trimmed, equally loud; what was done is written beside it

base.py is the contract: a check takes Data and gives Findings. loudness.py and silence.py are also for serving: the same sound for both.
"""
