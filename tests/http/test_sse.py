"""Server-sent events, whatever pieces they come in; the rows are those of the fault catalogue."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwatch._http.sse import EVENT_CAP, EventParser, Flow, ServerEvent

ENDS = (b"\n", b"\r", b"\r\n")


def events(*pieces: bytes) -> list[tuple[str, bytes]]:
    parser = EventParser()
    return [(event.name, event.data) for piece in pieces for event in parser.feed(piece)]


def by_the_letter(stream: bytes) -> list[tuple[str, bytes]]:
    """Read a whole stream as the standard words it: a second implementation, which has the luxury of all the bytes."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    lines = re.split(rb"\r\n|\n|\r", stream)[:-1]  # what no line end finishes is discarded
    name, data, found = b"", b"", []
    for line in lines:
        if line == b"":
            if data:
                found.append((name.decode(errors="replace") or "message", data.removesuffix(b"\n")))
            name, data = b"", b""
        elif line.startswith(b":"):
            continue
        elif b":" in line:
            field, value = line.split(b":", 1)
            value = value.removeprefix(b" ")
            name = value if field == b"event" else name
            data = data + value + b"\n" if field == b"data" else data
        elif line == b"event":
            name = b""
        elif line == b"data":
            data += b"\n"
    return found


def test_the_documented_events() -> None:
    stream = (
        b'event: status\ndata: {"status":"Queued"}\n\n'
        b": a heartbeat\n\n"
        b'event: completed\ndata: {"status":"Completed"}\n\n'
    )
    assert events(stream) == [("status", b'{"status":"Queued"}'), ("completed", b'{"status":"Completed"}')]


@pytest.mark.parametrize("end", ENDS)
def test_row_102_every_kind_of_line_end_even_split_over_two_pieces(end: bytes) -> None:
    stream = b"data: one" + end + b"data: two" + end + end + b"data: three" + end + end
    assert events(stream) == [("message", b"one\ntwo"), ("message", b"three")]
    assert events(*(bytes([byte]) for byte in stream)) == events(stream)


def test_an_empty_piece_between_a_return_and_its_line_feed_changes_nothing() -> None:
    assert events(b"data: 1\r", b"", b"\ndata: 2\r\n\r\n") == [("message", b"1\n2")]


def test_row_101_an_event_that_is_cut_off_is_none() -> None:
    assert events(b"event: completed\ndata: {}\n") == []
    assert events(b"event: completed\ndata: {}") == []


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"\xef\xbb\xbfdata: 1\n\n", [("message", b"1")]),
        (b"data: 1\n\n\xef\xbb\xbfdata: 2\n\n", [("message", b"1")]),
        (b"data\n\n", [("message", b"")]),
        (b"data:\n\n", [("message", b"")]),
        (b"data:  two spaces\n\n", [("message", b" two spaces")]),
        (b"event: only a name\n\n", []),
        (b"event: forgotten\n\ndata: 1\n\n", [("message", b"1")]),
        (b"id: a\0b\nretry: soon\nno colon\n: comment\nDATA: no\ndata: 1\n\n", [("message", b"1")]),
        (b"event: \xff\ndata: \xff\n\n", [("\ufffd", b"\xff")]),
        (b"\n\n\r\r\n\n", []),
    ],
)
def test_row_102_what_is_odd_is_read_as_the_standard_says(stream: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert events(stream) == expected == by_the_letter(stream)


_TEXT = st.lists(
    st.sampled_from(
        [b"data", b"event", b"id", b":", b" ", b"x", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"\0", b"\xff"]
    )
).map(b"".join)


@given(_TEXT, st.lists(st.integers(0, 60)))
def test_row_102_any_bytes_in_any_pieces_are_the_events_of_the_standard(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[one:other] for one, other in pairwise(places)]
    assert events(*pieces) == by_the_letter(stream)


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: " + b"x" * 90 + b"\n", b"data:\n"])
def test_row_102_a_line_or_an_event_that_is_too_long_ends_the_reading(piece: bytes) -> None:
    parser = EventParser(cap=500)
    fed = 0
    while not parser.overflowed:
        assert parser.feed(piece) == []
        fed += 1
        assert fed < 1000
    assert fed * len(piece) >= 500


def test_what_fits_is_no_overflow() -> None:
    parser = EventParser(cap=500)
    for _ in range(100):
        assert parser.feed(b"data: " + b"x" * 490 + b"\n\n") == [ServerEvent("message", b"x" * 490)]
    assert not parser.overflowed


@pytest.mark.slow
@pytest.mark.parametrize("piece", [b":\n" * 100, b":\r" * 100, b"x" * 16_384, b"data: {}\n\n" * 50])
def test_a_flood_is_out_of_bounds_soon_and_a_dribble_never(piece: bytes) -> None:
    flow, pieces = Flow(0.0), 0
    while flow.allows(piece, 0.0):
        pieces += 1
    assert pieces <= 2 * EVENT_CAP / len(piece)
    assert pieces <= 4000 / max(1, piece.count(b"\n") + piece.count(b"\r"))
    slow = Flow(0.0)
    assert all(slow.allows(piece, second) for second in range(1, 100_000))


def test_one_event_of_the_largest_size_is_within_bounds() -> None:
    assert Flow(0.0).allows(b"data: " + b"x" * EVENT_CAP + b"\n\n", 0.0)
