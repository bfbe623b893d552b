"""Packed bodies: both ways, damaged, cut short, and too large once unpacked."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.errors import InvalidRequest, TooLarge, UnsupportedContent
from tidegate.gateway.packing import accepted, pack, unpack

TEXT = b'{"inputs": [' + b"1," * 500 + b"1]}"
RAW = zlib.compressobj(wbits=-15)
PACKED = {
    "gzip": gzip.compress(TEXT),
    "x-gzip": gzip.compress(TEXT),
    "GZIP ": gzip.compress(TEXT),
    "deflate": zlib.compress(TEXT),
    "Deflate": RAW.compress(TEXT) + RAW.flush(),
}


@pytest.mark.parametrize("name", PACKED)
def test_what_others_packed(name: str) -> None:
    assert unpack(PACKED[name], name, len(TEXT)) == TEXT


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "deflate"]))
def test_what_we_packed_ourselves(body: bytes, name: str) -> None:
    assert unpack(pack(body, name), name, 2000) == body


@pytest.mark.parametrize("name", PACKED)
def test_damage_and_cuts_are_the_callers_fault(name: str) -> None:
    with pytest.raises(InvalidRequest, match=r"cut short|not valid"):
        unpack(PACKED[name][:-3], name, 10_000)
    with pytest.raises(InvalidRequest, match=r"not valid|cut short"):
        unpack(b"\x07" + b"nonsense" * 3, name, 10_000)
    with pytest.raises(InvalidRequest):
        unpack(b"", name, 10_000)


def test_a_bomb_is_refused_without_being_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000, 1)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=r"more than 1000000 bytes \(maxBody\)"):
            unpack(bomb, "gzip", 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_the_limit_itself_fits() -> None:
    assert len(unpack(gzip.compress(b"x" * 1000), "gzip", 1000)) == 1000
    with pytest.raises(TooLarge):
        unpack(gzip.compress(b"x" * 1001), "gzip", 1000)


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", ""])
def test_unknown_encodings_are_named(name: str) -> None:
    with pytest.raises(UnsupportedContent, match="send gzip, deflate, or none"):
        unpack(b"", name, 10)


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        (None, ""), ("", ""), ("gzip", "gzip"), ("deflate", "deflate"), ("br, deflate;q=0.5", "deflate"),
        ("identity", ""), ("gzip;q=0, deflate", "deflate"), ("GZIP", "gzip"), ("gzip;q=what", ""),
    ],
)  # fmt: skip
def test_what_a_caller_takes(header: str | None, takes: str) -> None:
    assert accepted(header) == takes
