"""How good a version is, slice by slice, beside what could be hoped for: people, the literature, a quick model, the older system.

    log + labels --rows.py--> an error a row, of the version and of others on the same rows
        raters' files, the review queue --levels.py--> people's level      figures.py: intervals, shrunk, corrected for how many
    --table.py--> a line a slice: model, people, gap, share of traffic --> where to work next
standing.py: the versions of a rollout beside the baselines
search.py: slices that nobody named, found on half of the rows and told from the other; rare classes
base.py: what all of that is made of
"""
