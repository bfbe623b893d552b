"""Protocols: a body in, a Request out; outputs in, the answer's bytes out. Each implements `base.Codec`; one file a protocol.

v2.py      Open Inference Protocol: JSON, with the binary tensor extension both ways
v1.py      KServe v1: {"instances": [...]} -> {"predictions": [...]}
mlflow.py  MLflow /invocations: dataframe_split, dataframe_records, instances, inputs, text/csv
"""

from __future__ import annotations

from functools import lru_cache

from tidegate.wire.codecs.base import Codec, Encoded, Request

__all__ = ["Codec", "Encoded", "Request", "codec"]


@lru_cache(maxsize=8)
def codec(name: str) -> Codec:
    """The codec of that name: v2, v1, mlflow or csv."""
    if name == "v2":
        from tidegate.wire.codecs.v2 import V2

        return V2()
    if name == "v1":
        from tidegate.wire.codecs.v1 import V1

        return V1()
    if name == "mlflow":
        from tidegate.wire.codecs.mlflow import MLflow

        return MLflow()
    if name == "csv":
        from tidegate.wire.codecs.mlflow import MLflowCsv

        return MLflowCsv()
    raise ValueError(f"unknown codec {name!r}; known: v2, v1, mlflow, csv")
