"""`tidegate demo recommender`: two learned models behind one name turn what somebody reads into what they are shown.

pages seen --> profile: owns a car? --> scores: how likely each product is clicked --> slate: the six best
               (learned)                (learned; at first the shop's popularity)       --> impressions, clicks --> feedback

clickstream.py  a made-up shop whose truth is known: who owns a car, what they read, what they click and buy
models.py       the models, as a user writes them: classes with `predict`
train.py        an earlier season of visits --> what each model has learned, one file each
visits.py       customers at the gateway: ask, look, click, buy
figures.py      click-through, precision, nDCG and coverage, from the log
cli.py          popularity --> a rollout of the learned scores, judged by clicks --> pages get new numbers: fewer clicks
                --> which stage it is --> a profile that has learned them
"""
