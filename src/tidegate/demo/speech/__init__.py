"""`tidegate demo speech`: two learned models behind one name write down what is said.

a recording (WAV, FLAC, Ogg) --> vad: where somebody speaks (Silero) --> asr: what was said (Moonshine) --> merge: one transcript
                                   sound.py: one loudness, in every place that reads a recording

clips.py   recordings of people who read, with what they read; each clear, with car noise, with people, over a telephone line
models.py  the two models, as a user writes them: classes with `predict`
judge.py   word error rate by condition, from the log and its labels
cli.py     fetch --> tidegate.yaml --> `tidegate up` --> clips as callers send them, references as labels --> the table
           then a version of vad that listens badly, and what that does to the transcript
"""
