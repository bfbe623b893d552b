"""`tidegate demo speech`: two learned models behind one name write down what is said; then both are replaced, one after the other.

a recording (WAV, FLAC, Ogg, PCM) --> vad: where somebody speaks --> asr: what was said --> merge: one transcript
    sound.py: one loudness              1 WebRTC    2 Silero           1 PocketSphinx
              everywhere                3 Silero, too sure             2 Moonshine

clips.py    recordings of somebody who reads, with what is read; each clear, with car noise, with people, over a telephone line
models.py   the newer models, as a user writes them: classes with `predict`     older.py   the older ones, in an environment of their own
project.py  tidegate.yaml      acts.py   shadow, canary, promotion of a recogniser; two other detectors, traced to their stage
page.html   a microphone, the transcript, "again" and "type it instead"        server.py   what it asks of the gateway
cli.py      fetch --> tidegate.yaml --> `tidegate up` --> acts --> page | end
"""
