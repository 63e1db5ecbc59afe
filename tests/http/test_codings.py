"""Content codings that nobody asked for, undone within a limit; what is packed wrongly is no body."""

from __future__ import annotations

import gzip
import os
import sys
import time
import tracemalloc
import types
import zlib

import pytest

from jobwatch._http.codings import CannotDecode, is_plain, unpacked

JSON = b'{"id":"job_1","status":"RUNNING"}' * 100
MIB = 1024 * 1024


def raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(JSON)),
        ("X-GZip", gzip.compress(JSON)),
        ("gzip", gzip.compress(JSON[:50]) + gzip.compress(b"") + gzip.compress(JSON[50:])),
        ("deflate", zlib.compress(JSON)),
        ("deflate", raw(JSON)),
        ("deflate, gzip", gzip.compress(zlib.compress(JSON))),
        ("identity, gzip", gzip.compress(JSON)),
        (", gzip ,", gzip.compress(JSON)),
        ("identity", JSON),
    ],
    # Not by the bytes, in which gzip writes the time.
    ids=["gzip", "its other name", "members", "zlib", "raw", "two", "identity first", "empty ones", "identity"],
)
def test_what_is_packed_as_it_says_is_unpacked(coding: str, packed: bytes) -> None:
    assert unpacked(coding, packed, len(JSON)) == JSON
    assert unpacked(coding, b"", 10) == b""
    if coding != "identity":
        with pytest.raises(CannotDecode, match=f"too large when unpacked: over {len(JSON) - 1} bytes"):
            unpacked(coding, packed, len(JSON) - 1)


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw), ("gzip", lambda b: gzip.compress(b) * 2)],
    ids=["gzip", "zlib", "raw", "members"],
)
def test_what_is_cut_short_damaged_or_followed_by_anything_is_no_body(coding: str, pack: object) -> None:
    packed: bytes = pack(JSON)  # type: ignore[operator]
    whole = unpacked(coding, packed, MIB)
    for cut in (1, 2, 9, len(packed) // 2 + 1, len(packed) - 1):
        with pytest.raises(CannotDecode, match="damaged"):
            assert unpacked(coding, packed[:cut], MIB) != whole
    for more in (b"x", b"\0", b"\0" * 100, packed[:5]):
        with pytest.raises(CannotDecode, match="damaged"):
            unpacked(coding, packed + more, MIB)
    if coding == "gzip" or pack is zlib.compress:  # which have a sum of what is in them
        flipped = bytearray(packed)
        flipped[-1] ^= 1
        with pytest.raises(CannotDecode, match="damaged"):
            unpacked(coding, bytes(flipped), MIB)


@pytest.mark.parametrize("coding", ["compress", "x-unheard-of", "*", "gzip;q=1"])
def test_what_nobody_can_undo_is_said(coding: str) -> None:
    with pytest.raises(CannotDecode, match="cannot be undone here"):
        unpacked(coding, b"x", MIB)


def test_a_plain_body_that_is_called_packed_is_none() -> None:
    for coding in ("gzip", "deflate"):
        with pytest.raises(CannotDecode, match="damaged"):
            unpacked(coding, JSON, MIB)
    with pytest.raises(CannotDecode, match="more content codings than any needs"):
        unpacked("gzip, gzip, gzip, gzip", b"x", MIB)
    assert is_plain(" Identity ")
    assert is_plain("")
    assert not is_plain("gzip")


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(bytes(30_000_000)),
        gzip.compress(b"") * 50_000,
        gzip.compress(os.urandom(16_000)) * 2_000,
        gzip.compress(gzip.compress(bytes(30_000_000))),
    ],
    ids=["zeros", "empty members", "large members", "within another"],
)
def test_a_bomb_costs_no_more_than_what_it_may_hold(bomb: bytes) -> None:
    coding = "gzip, gzip" if len(bomb) < 10_000 else "gzip"
    began = time.process_time()
    with pytest.raises(CannotDecode):
        unpacked(coding, bomb, MIB)
    assert time.process_time() - began < 0.3
    tracemalloc.start()
    try:
        with pytest.raises(CannotDecode):
            unpacked(coding, bomb, MIB)
        assert tracemalloc.get_traced_memory()[1] < 4 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("coding", "module"), [("br", "brotli"), ("zstd", "backports.zstd")])
def test_other_codings_are_undone_where_there_is_a_module(coding: str, module: str) -> None:
    packer = pytest.importorskip(module)
    packed = packer.compress(JSON)
    assert unpacked(coding, packed, len(JSON)) == JSON
    with pytest.raises(CannotDecode, match="too large"):
        unpacked(coding, packer.compress(bytes(10 * MIB)), MIB)
    for wrong in (packed[:-1], packed + b"x", JSON):
        with pytest.raises(CannotDecode, match="damaged"):
            unpacked(coding, wrong, MIB)


def test_a_module_that_has_no_limit_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    old = types.ModuleType("brotli")
    old.Decompressor = type("Decompressor", (), {"process": lambda _, body: body})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "brotli", old)
    monkeypatch.setitem(sys.modules, "brotlicffi", None)
    with pytest.raises(CannotDecode, match="cannot be undone here: br"):
        unpacked("br", b"x", MIB)
