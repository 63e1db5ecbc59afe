"""What an answer amounts to, and what its headers say about time: values in, values out."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from jobwatch._http.answer import judged
from jobwatch._http.headers import MAX_RESET_IN, http_date, rate_limit, retry_after
from jobwatch._http.urls import next_url
from jobwatch._models import Fault, FaultKind, Problem
from jobwatch._reading.reply import RateLimit, Reply

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC).timestamp()
JSON = b'{"id":"job_1"}'
RATES = ["X-RateLimit-Remaining", "X-RateLimit-Limit", "X-RateLimit-Reset"]


def fault_of(status: int, body: bytes = b"", **headers: str) -> Fault:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    fault = judged(status, named, body)
    assert isinstance(fault, Fault)
    return fault


# --- statuses ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        pytest.param(FaultKind.REFUSED, [400, 402, 405, 406, 407, 409, 422, 451, 499], id="row 28"),
        pytest.param(FaultKind.AUTH, [401, 403], id="rows 29 and 30"),
        pytest.param(FaultKind.NOT_FOUND, [404], id="row 31"),
        pytest.param(FaultKind.GONE, [410], id="row 33"),
        pytest.param(FaultKind.UNREACHABLE, [408, 425, 500, 502, 503, 504, 507, 520, 524, 599], id="row 34"),
        pytest.param(FaultKind.REFUSED, [501, 505], id="row 35"),
        pytest.param(FaultKind.RATE_LIMITED, [429], id="row 37"),
        pytest.param(FaultKind.REFUSED, [300, 305, 306, 399], id="redirects that cannot be followed"),
        pytest.param(
            FaultKind.UNREADABLE, [0, 99, 101, 199, 204, 205, 206, 304, 600, 999, -1], id="rows 24, 25, 27, 38"
        ),
    ],
)
def test_rows_28_29_33_34_35_every_status_has_one_kind(kind: FaultKind, statuses: list[int]) -> None:
    for status in statuses:
        fault = fault_of(status, JSON)
        assert (fault.kind, fault.http_status) == (kind, status)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 207, 299])
def test_row_26_every_other_2xx_is_read(status: int) -> None:
    assert judged(status, CIMultiDict(), JSON) == Reply(status, JSON)


def test_row_27_only_our_own_validator_makes_a_304_a_reply() -> None:
    assert judged(304, CIMultiDict(), b"", etag='"v1"') == Reply(304, b"", '"v1"')
    assert judged(304, CIMultiDict(ETag='"v2"'), b"", etag='"v1"') == Reply(304, b"", '"v2"')


@pytest.mark.parametrize("etag", ["", "x" * 300, "é", "a\x07"])
def test_an_etag_that_could_not_be_sent_back_is_dropped(etag: str) -> None:
    assert judged(200, CIMultiDict(ETag=etag), JSON) == Reply(200, JSON)


def test_row_30_a_403_with_a_pause_is_a_rate_limit() -> None:
    assert fault_of(403, Retry_After="5").kind is FaultKind.RATE_LIMITED
    spent = fault_of(403, X_RateLimit_Remaining="0", X_RateLimit_Reset="30")
    assert (spent.kind, spent.retry_after) == (FaultKind.RATE_LIMITED, 30.0)
    assert fault_of(403, X_RateLimit_Remaining="57", X_RateLimit_Reset="30").kind is FaultKind.AUTH
    assert fault_of(403, Retry_After="soon").kind is FaultKind.AUTH


def test_row_37_a_503_with_a_pause_is_unreachable_for_that_long() -> None:
    assert fault_of(503, Retry_After="120") == Fault(
        FaultKind.UNREACHABLE, "the API is in trouble", 503, retry_after=120.0
    )


def test_rows_53_54_a_429_says_itself_how_long_or_its_rate_headers_do() -> None:
    assert fault_of(429, X_RateLimit_Remaining="0", X_RateLimit_Reset="30").retry_after == 30.0
    assert fault_of(429, X_RateLimit_Remaining="100", X_RateLimit_Reset="30").retry_after is None
    assert fault_of(429, X_RateLimit_Remaining="0", X_RateLimit_Reset="30", Retry_After="9").retry_after == 9.0


# --- bodies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"<html>", b"  \r\n<!doctype html>", b"\xef\xbb\xbf<html>", b"Please log in"])
def test_row_39_html_by_its_first_byte_or_its_type(body: bytes) -> None:
    fault = fault_of(200, body, Content_Type="text/html; charset=utf-8")
    assert fault == Fault(FaultKind.UNREADABLE, "the reply is HTML, perhaps a login page", 200)


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "identity", "chunked, chunked"])
def test_row_60_a_transfer_coding_that_was_not_asked_for(coding: str) -> None:
    assert coding in fault_of(200, JSON, Transfer_Encoding=coding).message
    assert isinstance(judged(200, CIMultiDict({"transfer-encoding": "Chunked"}), JSON), Reply)


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n" * 99])
def test_row_24_an_empty_body(body: bytes) -> None:
    assert fault_of(200, body).message == "the reply is empty"


@pytest.mark.parametrize("body", [JSON, b" " + JSON, b"\xef\xbb\xbf" + JSON, b"[]", b"null", b"\xff\xfe"])
def test_row_58_whatever_is_not_html_is_for_the_apis_reader(body: bytes) -> None:
    assert isinstance(judged(200, CIMultiDict({"Content-Type": "text/plain"}), body), Reply)
    if body.strip().removeprefix(b"\xef\xbb\xbf").startswith((b"{", b"[")):
        assert isinstance(judged(200, CIMultiDict({"Content-Type": "text/html"}), body), Reply)


@pytest.mark.parametrize(
    ("kind", "body", "message"),
    [
        ("text/plain", b"no\n such   thing", "the API refused the request: no such thing"),
        ("application/problem+json; charset=utf-8", b'{"a":1}', 'the API refused the request: {"a":1}'),
        ("application/json", b"<html>", "the API refused the request"),
        ("text/html", b"hello", "the API refused the request"),
        ("", b"hello", "the API refused the request"),
        ("application/octet-stream", b"hello", "the API refused the request"),
        ("text/plain", b"", "the API refused the request"),
        ("text/plain", b"\x1b[2J\xe2\x80\xaex\xff", "the API refused the request: \\x1b[2J\\u202ex\ufffd"),
        ("text/plain", b"x" * 999, "the API refused the request: " + "x" * 200),
    ],
)
def test_row_28_an_excerpt_of_plain_bodies_only(kind: str, body: bytes, message: str) -> None:
    assert fault_of(400, body, Content_Type=kind).message == message


def test_the_apis_own_words_come_first_and_are_capped() -> None:
    told = Problem("m" * 9999, "c" * 9999, "r" * 9999)
    fault = judged(400, CIMultiDict({"X-Request-Id": "header"}), b"x", problem=lambda _: told)
    assert isinstance(fault, Fault)
    assert len(fault.message) < 500
    assert (fault.code, fault.request_id) == ("c" * 128, "r" * 128)
    silent = judged(400, CIMultiDict({"X-Request-Id": "header"}), b"x", problem=lambda _: Problem(""))
    assert silent == Fault(FaultKind.REFUSED, "the API refused the request", 400, request_id="header")


def test_a_reader_that_trips_over_an_error_body_is_not_listened_to() -> None:
    def trip(_: bytes) -> None:
        raise RecursionError

    assert judged(500, CIMultiDict(), b"x", problem=trip) == Fault(FaultKind.UNREACHABLE, "the API is in trouble", 500)


@given(
    st.integers(-1, 1100),
    st.binary(max_size=99),
    st.dictionaries(
        st.sampled_from(["Content-Type", "Content-Encoding", "ETag", "Date", "Retry-After", "X-Request-Id", *RATES]),
        st.text(max_size=30) | st.integers().map(str),
    ),
)
def test_whatever_comes_is_a_reply_or_a_fault(status: int, body: bytes, headers: dict[str, str]) -> None:
    answer = judged(status, CIMultiDict(headers), body, etag='"v1"')
    if isinstance(answer, Reply):
        assert 200 <= status <= 299 or status == 304
    elif answer.retry_after is not None:
        assert math.isfinite(answer.retry_after)
        assert answer.retry_after >= 0


# --- Retry-After, Date, rate limits -----------------------------------------------------------------------------


def AT_NOON() -> float:  # noqa: N802 - a constant, as a clock
    return NOON


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), ("120", 120.0), ("86400", 86400.0), ("007", 7.0), ("4.0", 4.0), ("0.25", 0.25)]
)
def test_row_49_retry_after_in_seconds(value: str, seconds: float) -> None:
    assert retry_after([value], None, AT_NOON) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "+5",
        "5.",
        ".5",
        "5.5.5",
        "5,5",
        "1e9",
        "nan",
        "inf",
        "Infinity",
        "\u0665",
        "\u00b2",
        "",
        " ",
        "5 ",
        "5, 7",
        "9" * 5000,
        "0x5",
        "1_0",
        "5s",
    ],
)
def test_row_50_anything_else_is_ignored(value: str) -> None:
    assert retry_after([value], NOON, AT_NOON) is None


def test_row_50_two_values_or_none() -> None:
    assert retry_after(["5", "7"], NOON, AT_NOON) is None
    assert retry_after([], NOON, AT_NOON) is None


def test_rows_49_51_52_a_date_is_measured_on_the_servers_clock() -> None:
    assert retry_after(["Tue, 06 Jan 2026 12:01:30 GMT"], NOON, AT_NOON) == 90.0
    assert retry_after(["Tue, 06 Jan 2026 11:00:00 GMT"], NOON, AT_NOON) == 0.0
    # The server tells its time, so ours is not asked for; else there is no other.
    assert retry_after(["Tue, 06 Jan 2026 12:01:30 GMT"], NOON, lambda: 1 / 0) == 90.0
    assert retry_after(["Tue, 06 Jan 2026 12:01:30 GMT"], None, lambda: NOON - 5.0) == 95.0
    far = retry_after(["Fri, 31 Dec 9999 23:59:59 GMT"], NOON, AT_NOON)
    assert far is not None
    assert math.isfinite(far)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Tue, 06 Jan 2026 12:00:00",
        "Tue, 06 Jan 2026 12:00:00 UTC",
        "Tue, 06 Jan 2026 12:00:00 +0000",
        "Tue, 6 Jan 2026 12:00:00 GMT",
        "Tuesday, 06-Jan-26 12:00:00 GMT",
        "Tue Jan  6 12:00:00 2026",
        "Tue, 31 Feb 2026 12:00:00 GMT",
        "Tue, 06 Jan 2026 24:00:00 GMT",
        "Tue, 06 Jan 2026 12:00:61 GMT",
        "Tue, 06 Jan 0000 12:00:00 GMT",
        "Tue, \u0660\u0666 Jan 2026 12:00:00 GMT",
        " Tue, 06 Jan 2026 12:00:00 GMT",
    ],
)
def test_row_52_what_is_no_http_date(text: str) -> None:
    assert http_date(text) is None


def test_row_52_http_dates() -> None:
    assert http_date("Tue, 06 Jan 2026 12:00:00 GMT") == NOON
    assert http_date("Sat, 31 Dec 2016 23:59:60 GMT") == http_date("Sun, 01 Jan 2017 00:00:00 GMT")


@pytest.mark.parametrize(
    ("reset", "server_time", "reset_in"),
    [
        ("0", NOON, 0.0),
        ("60", NOON, 60.0),
        ("3600", None, MAX_RESET_IN),
        ("3601", NOON, None),
        (str(int(NOON) + 60), NOON, 60.0),
        (str(int(NOON) - 60), NOON, None),
        (str((int(NOON) + 60) * 1000), NOON, 60.0),
        (str(int(NOON) + 3601), NOON, None),
        (str(int(NOON) + 60), None, None),
        ("-5", NOON, None),
        ("5.5", NOON, None),
        ("\u0665", NOON, None),
        ("9" * 5000, NOON, None),
        (None, NOON, None),
    ],
)
def test_row_53_a_reset_is_believed_within_the_hour(
    reset: str | None, server_time: float | None, reset_in: float
) -> None:
    assert rate_limit("9", "10", reset, server_time) == RateLimit(9, 10, reset_in)


@pytest.mark.parametrize("remaining", ["", "-1", "many", "\u0665", "9" * 5000, "1.5"])
def test_row_53_a_rate_that_is_no_number(remaining: str) -> None:
    assert rate_limit(remaining, "10", "60", NOON) is None
    assert rate_limit("5", remaining, None, NOON) == RateLimit(5)


@given(st.text(max_size=40), st.none() | st.floats(0, 4e9))
def test_row_50_no_text_makes_a_pause_that_cannot_be_slept(text: str, server_time: float | None) -> None:
    seconds = retry_after([text], server_time, AT_NOON)
    assert seconds is None or (math.isfinite(seconds) and seconds >= 0)


@pytest.mark.parametrize("status", [200, 202, 304])
def test_a_good_reply_says_when_to_come_back(status: int) -> None:
    reply = judged(status, CIMultiDict({"Retry-After": "2.5"}), JSON, etag='"v1"')
    assert isinstance(reply, Reply)
    assert reply.retry_after == 2.5
    without_a_date = CIMultiDict({"Retry-After": "Tue, 06 Jan 2026 12:00:07 GMT"})
    reply = judged(status, without_a_date, JSON, etag='"v1"', clock=lambda: NOON)
    assert isinstance(reply, Reply)
    assert reply.retry_after == 7.0
    fault = judged(503, without_a_date, JSON, clock=lambda: NOON)
    assert isinstance(fault, Fault)
    assert fault.retry_after == 7.0


# --- redirects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "location"),
    [
        pytest.param("https://a.example/x", "http://a.example/x", id="row 19 and 43: downgrade"),
        pytest.param("http://a.example/x", "https://a.example/x", id="row 43: another scheme"),
        pytest.param("https://a.example/x", "https://a.example:8443/x", id="row 43: another port"),
        pytest.param("https://a.example:8443/x", "http://a.example:8443/x", id="row 43: downgrade on the same port"),
        pytest.param("https://a.example/x", "https://b.example/x", id="row 44"),
        pytest.param("https://a.example/x", "//b.example/x", id="row 44: without a scheme"),
        pytest.param("https://a.example/x", "https://a.example.b.example/x", id="a longer name"),
        pytest.param("https://a.example/x", "https://a.example@b.example/x", id="userinfo that looks like the host"),
    ],
)
def test_rows_19_43_44_another_origin(base: str, location: str) -> None:
    fault = next_url(URL(base), [location], 302)
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.REFUSED
    assert "/x" not in fault.message


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "https://a.example/b"),
        ("b?c=%2F#d", "https://a.example/v1/b?c=%2F"),
        ("https://a.example:443/b", "https://a.example/b"),
        ("HTTPS://A.example/b", "https://a.example/b"),
        ("?x=1", "https://a.example/v1/x?x=1"),
        ("../../../b", "https://a.example/b"),
    ],
)
def test_row_42_the_same_origin(location: str, url: str) -> None:
    assert next_url(URL("https://a.example/v1/x"), [location], 302) == URL(url, encoded=True)


@given(st.text(alphabet="htps:/\\.@#?%aA1[]", max_size=20) | st.text(max_size=20))
@example("//::")
@example("https://a[]A@")
def test_row_41_no_location_leads_to_another_origin(location: str) -> None:
    base = URL("https://a.example/v1/x")
    following = next_url(base, [location], 302)
    assert isinstance(following, Fault) or following.origin() == base.origin()
