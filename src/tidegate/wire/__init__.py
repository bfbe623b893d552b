"""What goes between processes, and between callers and us: bytes in, arrays out, and back.

    frames.py    gateway <-> runner: many requests a write, the body as it came, never re-encoded
    tensors.py   one tensor <-> its JSON data or its raw little-endian bytes
    conform.py   what a caller sent -> what the signature asks for, or a clear refusal
    codecs/      one file a protocol: body -> Request, outputs -> body (v2, v1, mlflow)

A body is decoded in the runner, not in the gateway: a 10 MB JSON body then blocks only the model that it is for, and the gateway's
loop stays free (benchmarks/README.md has the figures). The log's ingest decodes recorded bodies with the same codecs.
"""
