"""Several models behind one name: a request goes through stages, each of them an ordinary endpoint (`NAME.STAGE`).

    EndpointRoute.pipeline --plan.py--> Plan: what each stage takes and from where, what the pipeline itself takes and gives
    Call --walk.py--> values of the request --stage by stage--> DataPlane.submit (its own split, log, mirror, fallback) --> values
                        when: which rows      an unbatched model is asked once a row and may give 0..n items: a new axis
                        merge: items of a row -> one value a row again
         --> one record of the whole (`part_of` in those of the stages), then the answer

    expressions.py   `score < 0.5 and vad.count > 0`, `join(asr.text)`: read once, when the project file is
    values.py        tensors as they came over the wire, decoded only by who looks into them; axes, lifting, scattering, merging

Between stages tensors are the runner's own bytes. Nobody waits for the journal between stages: the record of the whole is written
behind those of its stages, and the answer waits for it.
"""
