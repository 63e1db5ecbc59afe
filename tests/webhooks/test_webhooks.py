"""Webhooks: who is let in, what is taken from the documented bodies, and that a wake brings the state at once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from jobwatch import (
    Change,
    Client,
    ConfigError,
    Pace,
    Received,
    Verdict,
    Watcher,
    Webhooks,
    webhook_app,
    webhook_handler,
    webhook_signature,
)
from jobwatch.testing import JobServer
from tests.scripted import ScriptedJob, ScriptedTransport, client_of
from tests.virtual import on_virtual_clock

NOW = 1_781_078_400.0
SECRET = "whsec_canary_7d1f"
OLD_SECRET = "whsec_canary_0ld"
TOKEN = "canary-path-token"

# As documented: https://docs.capydb.dev/docs/guides/webhooks and https://docs.bedrock.cv/vision-api/webhooks.
PREVIEW = b"""{
  "id": "evt_1",
  "type": "preview.ready",
  "created_at": "2026-06-10T08:00:00.000Z",
  "data": { "project_id": "prj_1", "preview_id": "pvw_1" }
}"""
PARSED = b"""{
  "id": "evt_01JABCD999",
  "type": "parse.completed",
  "timestamp": "2024-01-15T10:01:30Z",
  "data": {
    "job_id": "job_01JABCD123",
    "type": "parse",
    "status": "completed",
    "target": {"type": "sheet", "id": "sht_01JABCD100"},
    "results": {"legend": [{"block_id": "blk_01JABCD200", "symbols_detected": 24}], "symbols": []},
    "completed_at": "2024-01-15T10:01:30Z"
  }
}"""
FAILED = b"""{
  "id": "evt_01JABCD998",
  "type": "parse.failed",
  "timestamp": "2024-01-15T10:01:30Z",
  "data": {
    "job_id": "job_01JABCD123",
    "type": "parse",
    "status": "failed",
    "target": {"type": "sheet", "id": "sht_01JABCD100"},
    "error": {"code": "PROCESSING_ERROR", "message": "Unable to process sheet - source image missing"},
    "failed_at": "2024-01-15T10:01:30Z"
  }
}"""


def event(data: object, event_id: str | None = "evt_2", kind: str = "job.completed") -> bytes:
    return json.dumps({"id": event_id, "type": kind, "created_at": "2026-06-10T08:00:00Z", "data": data}).encode()


def signed(
    body: bytes, *, at: float = NOW, secrets: Iterable[str] = (SECRET,), delivery: str | None = "dlv_1"
) -> dict[str, str]:
    """Return the headers that CapyDB sends with a body; computed here by itself, not by what is tested."""
    stamp = str(int(at))
    marks = [hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest() for secret in secrets]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "capydb-webhooks/1.0",
        "X-CapyDB-Event": "job.completed",
        "X-CapyDB-Signature": ",".join([f"t={stamp}", *(f"v1={mark}" for mark in marks)]),
    }
    return headers | ({} if delivery is None else {"X-CapyDB-Delivery": delivery})


def capydb(**options: Any) -> Webhooks:
    return Webhooks("capydb", **({"secrets": SECRET} | options))


# --- what is taken from a webhook --------------------------------------------------------------------------------


def test_the_documented_body_of_capydb_names_its_project() -> None:
    received = capydb().receive(signed(PREVIEW), PREVIEW, NOW)
    assert received == Received(Verdict.ACCEPTED, 200, project_id="prj_1", delivery_id="dlv_1")


@pytest.mark.parametrize("body", [PARSED, FAILED])
def test_the_documented_bodies_of_bedrock_name_their_job(body: bytes) -> None:
    received = Webhooks("bedrock").receive({"Content-Type": "application/json"}, body, NOW)
    assert received == Received(Verdict.ACCEPTED, 200, ("job_01JABCD123",), delivery_id=json.loads(body)["id"])


@pytest.mark.parametrize(
    ("data", "kind", "job_ids", "project_id"),
    [
        ({"job_id": "job_1", "project_id": "prj_1"}, "backup.completed", ("job_1",), None),
        ({"job": {"id": "job_1", "state": "completed"}, "id": "bak_1"}, "backup.completed", ("job_1",), None),
        ({"id": "job_1", "project_id": "prj_1"}, "job.failed", ("job_1",), None),
        ({"id": "pvw_1", "project_id": "prj_1"}, "preview.ready", (), "prj_1"),
        (
            {"job_id": "job_1", "job": {"id": "job_2"}, "id": "job_3"},
            "job.completed",
            ("job_1", "job_2", "job_3"),
            None,
        ),
        ({"job_id": "job_1", "job": {"id": "job_1"}, "id": "job_1"}, "job.completed", ("job_1",), None),
        ({"job_id": 17}, "job.completed", ("17",), None),
        ({"job_id": True, "project_id": ["prj_1"]}, "job.completed", (), None),
        ({"job_id": "", "job": "job_1", "project_id": "p" * 201}, "job.completed", (), None),
        ({"job_id": 1 << 70, "job": [{"id": "job_1"}]}, "job.completed", (), None),
        ([{"job_id": "job_1"}], "job.completed", (), None),
        ("job_1", "job.completed", (), None),
        (None, "job.completed", (), None),
    ],
)
def test_the_job_is_found_where_it_may_be(
    data: object, kind: str, job_ids: tuple[str, ...], project_id: str | None
) -> None:
    body = event(data, kind=kind)
    received = capydb().receive(signed(body), body, NOW)
    assert (received.verdict, received.job_ids, received.project_id) == (Verdict.ACCEPTED, job_ids, project_id)


def test_an_event_without_data_or_id_is_taken_and_names_nobody() -> None:
    assert capydb().receive(signed(b"{}", delivery=None), b"{}", NOW) == Received(Verdict.ACCEPTED, 200)


# --- who is let in -----------------------------------------------------------------------------------------------


def test_a_signature_as_it_is_known_to_be_computed() -> None:
    # printf '1781078400.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
    expected = "6ed315d2f2c8a57e031a0fccc0869a82a9b7b9a9af88d300928c8c47d01304d8"
    assert webhook_signature("whsec_test", "1781078400", b'{"id":"evt_1"}') == expected


def test_a_signature_by_another_secret_over_another_body_or_at_another_time_is_refused() -> None:
    right = signed(PREVIEW)
    mark = right["X-CapyDB-Signature"]
    wrong = [
        (signed(PREVIEW, secrets=["whsec_other"]), PREVIEW),
        (right, PREVIEW.replace(b"prj_1", b"prj_2")),
        (right | {"X-CapyDB-Signature": mark.replace(str(int(NOW)), str(int(NOW) + 1))}, PREVIEW),
        (right | {"X-CapyDB-Signature": mark[:-1]}, PREVIEW),
        (right | {"X-CapyDB-Signature": mark + "0"}, PREVIEW),
    ]
    for headers, body in wrong:
        received = capydb().receive(headers, body, NOW)
        assert (received.verdict, received.http_status, received.job_ids) == (Verdict.REFUSED, 401, ())


@pytest.mark.parametrize(
    "value",
    [
        "",
        "t=,v1=",
        "v1={v1}",
        "t={t}",
        "t={t},v0={v1}",
        "t={t},t={t},v1={v1}",
        "t=-{t},v1={v1}",
        "t={t}.0,v1={v1}",
        "t=٣,v1={v1}",
        "t=" + "9" * 5000 + ",v1={v1}",
        "t={t}," + ",".join(["v1={v1}"] * 9),
        "{v1}",
        "t={t};v1={v1}",
        "t={t},v1=\udcff{v1}",
    ],
)
def test_a_signature_that_is_not_as_documented_is_refused(value: str) -> None:
    right = signed(PREVIEW)["X-CapyDB-Signature"]
    t, v1 = right[2:12], right[16:]
    headers = signed(PREVIEW) | {"X-CapyDB-Signature": value.replace("{t}", t).replace("{v1}", v1)}
    assert capydb().receive(headers, PREVIEW, NOW).http_status == 401
    assert capydb().receive(headers | {"X-CapyDB-Signature": f"t={t},v1={v1}"}, PREVIEW, NOW).http_status == 200


def test_a_request_without_a_signature_is_refused_and_one_with_two_as_well() -> None:
    headers = signed(PREVIEW)
    del headers["X-CapyDB-Signature"]
    assert capydb().receive(headers, PREVIEW, NOW).http_status == 401
    twice = [*signed(PREVIEW).items(), ("x-capydb-signature", signed(PREVIEW)["X-CapyDB-Signature"])]
    assert capydb().receive(twice, PREVIEW, NOW).http_status == 401


def test_while_a_secret_is_replaced_both_are_good_on_either_side() -> None:
    both = capydb(secrets=[OLD_SECRET, SECRET])
    for number, secrets in enumerate([[SECRET], [OLD_SECRET], [SECRET, OLD_SECRET], ["whsec_unknown", OLD_SECRET]]):
        body = event({}, event_id=f"evt_{number}")
        assert both.receive(signed(body, secrets=secrets, delivery=str(number)), body, NOW).verdict is Verdict.ACCEPTED
    body = event({}, event_id="evt_9")
    assert capydb().receive(signed(body, secrets=[OLD_SECRET, SECRET]), body, NOW).verdict is Verdict.ACCEPTED


def test_hex_in_capitals_and_headers_in_any_case_are_the_same() -> None:
    headers = {name.upper(): value for name, value in signed(PREVIEW).items()}
    stamp, _, mark = headers["X-CAPYDB-SIGNATURE"].partition(",v1=")
    headers["X-CAPYDB-SIGNATURE"] = f"{stamp}, v1={mark.upper()}"
    assert capydb().receive(headers, PREVIEW, NOW).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(("off", "status"), [(-301, 401), (-300, 200), (0, 200), (300, 200), (301, 401)])
def test_a_signature_is_good_for_five_minutes_before_and_after(off: float, status: int) -> None:
    assert capydb().receive(signed(PREVIEW, at=NOW + off), PREVIEW, NOW).http_status == status


def test_the_tolerance_can_be_chosen_and_a_clock_that_is_no_number_lets_nobody_in() -> None:
    assert capydb(tolerance=10).receive(signed(PREVIEW, at=NOW - 11), PREVIEW, NOW).http_status == 401
    assert capydb().receive(signed(PREVIEW), PREVIEW, float("nan")).http_status == 401


def test_another_way_of_signing_can_be_given() -> None:
    def sign(secret: str, timestamp: str, body: bytes) -> str:
        return hashlib.sha256(secret.encode() + timestamp.encode() + body).hexdigest()

    webhooks = capydb(sign=sign)
    right = {"X-CapyDB-Signature": f"t={int(NOW)},v1={sign(SECRET, str(int(NOW)), PREVIEW)}"}
    assert webhooks.receive(right, PREVIEW, NOW).verdict is Verdict.ACCEPTED
    assert webhooks.receive(signed(PREVIEW), PREVIEW, NOW).http_status == 401


def test_a_token_in_the_path_is_wanted_where_one_was_set() -> None:
    webhooks = Webhooks("bedrock", token=TOKEN)
    for path in ("/", "", "/hooks", f"/hooks/{TOKEN}x", f"/hooks/{TOKEN[:-1]}", f"/{TOKEN}/", "/hooks/\udcff"):
        assert webhooks.receive({}, PARSED, NOW, path=path).http_status == 401
    assert webhooks.receive({}, PARSED, NOW, path=f"/hooks/bedrock/{TOKEN}").verdict is Verdict.ACCEPTED


def test_a_token_in_a_header_is_wanted_where_one_was_set() -> None:
    webhooks = Webhooks("bedrock", token=TOKEN, token_header="X-Hook")
    for headers in ({}, {"X-Hook": ""}, {"X-Hook": TOKEN + "x"}, {"X-Other": TOKEN}):
        assert webhooks.receive(headers, PARSED, NOW, path=f"/{TOKEN}").http_status == 401
    assert webhooks.receive({"x-hook": TOKEN}, PARSED, NOW).verdict is Verdict.ACCEPTED


def test_a_token_stands_beside_a_signature_not_for_it() -> None:
    webhooks = capydb(token=TOKEN)
    assert webhooks.receive(signed(PREVIEW), PREVIEW, NOW).http_status == 401
    assert webhooks.receive({}, PREVIEW, NOW, path=f"/{TOKEN}").http_status == 401
    assert webhooks.receive(signed(PREVIEW), PREVIEW, NOW, path=f"/{TOKEN}").http_status == 200


# --- what else is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS", "post", ""])
def test_other_methods_are_refused(method: str) -> None:
    assert capydb().receive(signed(PREVIEW), PREVIEW, NOW, method=method).http_status == 405


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'"evt"', b"{", b'{"id": \xff}', b'{"id": "\xff"}', b'{"a": 1} {', b'{"id": 1e999}'),
        *(b'{"data": ' + b"[" * 5000, b'{"id": ' + b"9" * 5000 + b"}", b"[" * 100_000),
    ],
)
def test_a_body_that_is_not_as_documented_is_refused_once_its_signature_is_right(body: bytes) -> None:
    received = capydb().receive(signed(body), body, NOW)
    assert (received.verdict, received.http_status) == (Verdict.REFUSED, 400)
    assert capydb().receive(signed(body, secrets=["whsec_x"]), body, NOW).http_status == 401


def test_a_body_is_as_long_as_allowed_and_no_longer() -> None:
    body = event({"job_id": "job_1"})
    assert capydb(max_body=len(body)).receive(signed(body), body, NOW).http_status == 200
    assert capydb(max_body=len(body) - 1).receive(signed(body), body, NOW).http_status == 413


@pytest.mark.parametrize(
    ("api", "options", "told"),
    [
        ("github", {}, "no webhooks of 'github' are known, only those of bedrock and capydb"),
        ("capydb", {}, "capydb signs its webhooks: pass the endpoint's signing secret"),
        ("capydb", {"secrets": []}, "capydb signs its webhooks"),
        ("capydb", {"secrets": ""}, "a signing secret is empty"),
        ("capydb", {"secrets": [SECRET, SECRET + "\n"]}, "white space"),
        ("capydb", {"secrets": SECRET + "é"}, "ASCII"),
        ("bedrock", {"secrets": SECRET}, "bedrock documents no signature"),
        ("bedrock", {"token": ""}, "the token is empty"),
        ("bedrock", {"token": TOKEN + "/x"}, "slash"),
        ("bedrock", {"token_header": "X-Hook"}, "pass the token too"),
        ("bedrock", {"tolerance": -1.0}, "tolerance must be"),
        ("bedrock", {"tolerance": float("nan")}, "tolerance must be"),
        ("bedrock", {"max_body": 0}, "at least 1"),
        ("bedrock", {"remembered": 0}, "at least 1"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_said_without_a_secret(
    api: str, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)) as caught:
        Webhooks(api, **options)
    assert "canary" not in str(caught.value)
    frame = caught.traceback[-1].frame
    assert "canary" not in repr({name: value for name, value in frame.f_locals.items() if name != "secret"})


def test_no_secret_is_in_a_repr_or_a_verdict() -> None:
    webhooks = capydb(token=TOKEN)
    told = [repr(webhooks), str(webhooks)]
    told += [repr(webhooks.receive(signed(PREVIEW), PREVIEW, NOW, path=path)) for path in ("/", f"/{TOKEN}", "/x")]
    told += [repr(webhooks.receive({}, PREVIEW, NOW, path=f"/{TOKEN}"))]
    assert "canary" not in " ".join(told)
    assert repr(webhooks) == "Webhooks('capydb')"


# --- once --------------------------------------------------------------------------------------------------------


def test_a_delivery_that_comes_again_is_answered_with_200_and_names_nobody() -> None:
    webhooks, body = capydb(), event({"job_id": "job_1"})
    assert webhooks.receive(signed(body), body, NOW).job_ids == ("job_1",)
    for at in (0.0, 1.0, 3600.0):
        again = webhooks.receive(signed(body, at=NOW + at), body, NOW + at)
        assert again == Received(Verdict.DUPLICATE, 200, delivery_id="dlv_1")


def test_a_replay_under_another_delivery_id_is_known_by_the_event_which_is_signed() -> None:
    webhooks, body = capydb(), event({"job_id": "job_1"})
    webhooks.receive(signed(body), body, NOW)
    for headers in (signed(body, delivery="dlv_2"), signed(body, delivery=None)):
        assert webhooks.receive(headers, body, NOW).verdict is Verdict.DUPLICATE


def test_a_redelivery_is_known_by_its_delivery_id_too() -> None:
    webhooks, body, other = capydb(), event({}, event_id="evt_1"), event({}, event_id="evt_2")
    webhooks.receive(signed(body), body, NOW)
    assert webhooks.receive(signed(other), other, NOW).verdict is Verdict.DUPLICATE


def test_an_event_and_a_delivery_of_the_same_name_are_two() -> None:
    webhooks, body, other = capydb(), event({}, event_id="one"), event({}, event_id="two")
    webhooks.receive(signed(body, delivery="two"), body, NOW)
    assert webhooks.receive(signed(other, delivery="one"), other, NOW).verdict is Verdict.ACCEPTED


def test_what_is_refused_is_not_remembered() -> None:
    webhooks, body = capydb(), event({"job_id": "job_1"})
    webhooks.receive(signed(body, secrets=["whsec_x"]), body, NOW)
    webhooks.receive(signed(body), body, NOW, method="PUT")
    assert webhooks.receive(signed(body), body, NOW).verdict is Verdict.ACCEPTED


def test_bedrocks_events_are_known_by_their_id() -> None:
    webhooks = Webhooks("bedrock")
    assert [webhooks.receive({}, body, NOW).verdict for body in (PARSED, PARSED, FAILED, PARSED)] == [
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
        Verdict.ACCEPTED,
        Verdict.DUPLICATE,
    ]


def test_no_more_ids_are_remembered_than_was_said() -> None:
    webhooks, now = capydb(remembered=100), NOW
    for number in range(1000):
        body, now = event({}, event_id=f"evt_{number}"), NOW + number // 50
        assert webhooks.receive(signed(body, at=now, delivery=f"dlv_{number}"), body, now).verdict is Verdict.ACCEPTED
    assert len(webhooks._seen) == 200
    assert len(webhooks._order) == 100
    body = event({}, event_id="evt_900")
    assert webhooks.receive(signed(body, at=now), body, now).verdict is Verdict.DUPLICATE


@pytest.mark.parametrize("named", [True, False])
def test_row_122_a_signed_delivery_wakes_once_however_many_come_after_it(*, named: bool) -> None:
    def sent(number: int) -> tuple[dict[str, str], bytes]:
        body = event({"job_id": f"job_{number}"}, event_id=f"evt_{number}" if named else None)
        return signed(body, at=NOW + number, delivery=None), body

    webhooks = capydb(remembered=10)
    for number in range(100):
        assert webhooks.receive(*sent(number), NOW + number).verdict is Verdict.ACCEPTED
    verdicts = [webhooks.receive(*sent(number), NOW + 100).verdict for number in range(100)]
    assert verdicts == [Verdict.REFUSED] * 90 + [Verdict.DUPLICATE] * 10
    assert webhooks.receive(*sent(0), NOW + 100).http_status == 401
    assert webhooks.receive(*sent(100), NOW + 100).verdict is Verdict.ACCEPTED


# --- whatever is sent --------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["X-CapyDB-Signature", "x-capydb-delivery", "X-CapyDB-Event", "Content-Type", "X-Hook"])
MARKS = st.lists(
    st.one_of(st.text(), st.sampled_from(["t", "v1", f"t={int(NOW)}", "t=0", "v1=" + "0" * 64, "v1=", "=", "t=é"]))
).map(",".join)
HEADERS = st.lists(st.tuples(st.one_of(NAMES, st.text()), st.one_of(st.text(), MARKS)))
JSONS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["id", "type", "data", "job", "job_id", "project_id"]), inner),
    ),
    max_leaves=20,
)
BODIES = st.one_of(st.binary(), JSONS.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")))


@pytest.mark.slow
@given(headers=HEADERS, body=BODIES, now=st.floats(), method=st.sampled_from(["POST", "GET"]), path=st.text())
def test_nothing_that_is_sent_raises_and_nothing_unsigned_wakes(
    headers: list[tuple[str, str]], body: bytes, now: float, method: str, path: str
) -> None:
    received = capydb(token="t").receive(headers, body, now, method=method, path=path)
    assert received.verdict is Verdict.REFUSED
    received = capydb().receive(headers, body, now, method=method, path=path)
    assert (received.verdict, received.http_status in (401, 405)) == (Verdict.REFUSED, True)


@given(body=BODIES, delivery=st.text())
def test_nothing_that_is_signed_raises(body: bytes, delivery: str) -> None:
    webhooks = capydb()
    received = webhooks.receive(signed(body) | {"x-capydb-delivery": delivery}, body, NOW)
    assert received.http_status in (200, 400)
    assert len(received.job_ids) <= 3


# --- where they come in ------------------------------------------------------------------------------------------


class Woken:
    """Notes who was woken."""

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.projects: list[str] = []

    def wake(self, job_id: str) -> bool:
        self.jobs.append(job_id)
        return True

    def wake_project(self, project_id: str) -> bool:
        self.projects.append(project_id)
        return True


async def ask(
    app: Callable[..., Any],
    body: bytes | list[bytes | bytearray | memoryview],
    headers: dict[str, str],
    *,
    method: str = "POST",
    path: str = "/hooks",
) -> list[MutableMapping[str, Any]]:
    """Ask an ASGI application as a server does, and return what it sends."""
    chunks = [body] if isinstance(body, bytes) else body
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, 1)
    ]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    return sent


def status_of(sent: list[MutableMapping[str, Any]]) -> int:
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert sent[1]["body"] == b""
    assert (b"content-length", b"0") in sent[0]["headers"]
    return int(sent[0]["status"])


async def test_the_asgi_application_wakes_and_answers() -> None:
    woken = Woken()
    app = webhook_app(capydb(), woken, clock=lambda: NOW)
    body = event({"job_id": "job_1"})
    assert status_of(await ask(app, [body[:10], b"", body[10:]], signed(body))) == 200
    assert status_of(await ask(app, PREVIEW, signed(PREVIEW, delivery="dlv_2"))) == 200
    assert (woken.jobs, woken.projects) == (["job_1"], ["prj_1"])
    assert status_of(await ask(app, body, signed(body))) == 200
    assert status_of(await ask(app, body, signed(body, secrets=["whsec_x"]))) == 401
    assert status_of(await ask(app, b"{", signed(b"{"))) == 400
    (start, _end) = await ask(app, b"", {}, method="GET")
    assert start["status"] == 405
    assert (b"allow", b"POST") in start["headers"]
    assert (woken.jobs, woken.projects) == (["job_1"], ["prj_1"])


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_the_asgi_application_takes_a_body_of_any_bytes(kind: type[bytes | bytearray | memoryview]) -> None:
    woken = Woken()
    body = event({"job_id": "job_1"})
    sent = await ask(webhook_app(capydb(), woken, clock=lambda: NOW), [kind(body[:10]), kind(body[10:])], signed(body))
    assert (status_of(sent), woken.jobs) == (200, ["job_1"])


async def test_the_asgi_application_reads_no_more_than_is_allowed_and_hears_of_a_sender_that_goes() -> None:
    woken = Woken()
    app = webhook_app(capydb(max_body=1000), woken, clock=lambda: NOW)
    chunks: list[bytes | bytearray | memoryview] = [b"x" * 400] * 10
    assert status_of(await ask(app, chunks, {})) == 413
    gone: list[MutableMapping[str, Any]] = []
    messages: list[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        gone.append(message)

    await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    assert gone == []


async def test_the_asgi_application_can_be_served_by_itself() -> None:
    kinds = ("lifespan.startup", "lifespan.shutdown", "websocket.connect")
    messages: list[MutableMapping[str, Any]] = [{"type": kind} for kind in kinds]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0)

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    app = webhook_app(capydb(), Woken())
    await app({"type": "lifespan"}, receive, send)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    await app({"type": "websocket", "path": "/"}, receive, send)
    assert sent[2] == {"type": "websocket.close", "code": 1000}


async def test_a_refusal_is_logged_and_tells_no_secret_and_nothing_that_was_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "jobwatch")
    app = webhook_app(capydb(token=TOKEN), Woken(), clock=lambda: NOW)
    await ask(app, PREVIEW, signed(PREVIEW))
    await ask(app, PREVIEW, signed(PREVIEW, secrets=[OLD_SECRET]), path=f"/{TOKEN}")
    assert [record.message for record in caplog.records] == [
        "a webhook for capydb was refused: its token is missing or wrong",
        "a webhook for capydb was refused: its signature does not match",
    ]
    assert "canary" not in caplog.text


async def serving(handler: Callable[..., Any]) -> tuple[web.AppRunner, str]:
    app = web.Application()
    app.router.add_route("*", "/hooks/{token}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/{TOKEN}"


async def test_the_aiohttp_handler_answers_as_the_application_does() -> None:
    woken = Woken()
    runner, url = await serving(webhook_handler(capydb(token=TOKEN, max_body=1000), woken, clock=lambda: NOW))
    body = event({"job_id": "job_1"})
    async with aiohttp.ClientSession() as session:

        async def answer(data: bytes, headers: dict[str, str], url: str = url) -> tuple[int, bytes]:
            async with session.post(url, data=data, headers=headers) as response:
                return response.status, await response.read()

        assert await answer(body, signed(body)) == (200, b"")
        assert await answer(body, signed(body)) == (200, b"")
        assert woken.jobs == ["job_1"]
        assert await answer(body, signed(body, secrets=["whsec_x"])) == (401, b"")
        assert await answer(body, signed(body), url + "x") == (401, b"")
        assert await answer(b"{", signed(b"{")) == (400, b"")
        assert await answer(b"x" * 1001, signed(body)) == (413, b"")
        assert await answer(b"x" * 100_000, signed(body)) == (413, b"")
        async with session.get(url) as response:
            assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert (woken.jobs, woken.projects) == (["job_1"], [])
    await runner.cleanup()


# --- from the webhook to the change ------------------------------------------------------------------------------

SLOW = Pace(min_interval=5.0, max_interval=600.0, poll_cost=1e6)


async def next_change(watcher: Watcher) -> Change:
    async with asyncio.timeout(20):
        change = await anext(aiter(watcher))
    await watcher.acknowledge()
    return change


@on_virtual_clock
async def test_a_webhook_gives_the_state_at_once_with_one_look() -> None:
    transport = ScriptedTransport([ScriptedJob("job_1", ends=20.0, project_id="prj_1")])
    client = client_of(transport, pace=SLOW)
    async with client, Watcher(client) as watcher:
        app = webhook_app(capydb(), watcher, clock=lambda: NOW)
        await watcher.add("job_1")
        assert [(await next_change(watcher)).status for _ in range(2)] == ["pending", "running"]
        await asyncio.sleep(30.0)
        began = asyncio.get_running_loop().time()
        assert len(transport.requests) == 1
        body = event({"job_id": "job_1"}, kind="job.failed")  # a lie: a look tells what there is
        for number in range(8):
            assert status_of(await ask(app, body, signed(body, delivery=f"dlv_{number}"))) == 200
        change = await next_change(watcher)
        assert (change.status, len(transport.requests)) == ("completed", 2)
        assert asyncio.get_running_loop().time() - began == pytest.approx(transport.round_trip, abs=1e-3)


@on_virtual_clock
async def test_bedrocks_unsigned_webhooks_cost_no_more_than_the_pace_allows() -> None:
    transport = ScriptedTransport([ScriptedJob("job_1")])
    client = client_of(transport, pace=SLOW)
    async with client, Watcher(client) as watcher:
        app = webhook_app(Webhooks("bedrock"), watcher)
        await watcher.add("job_1")
        await asyncio.sleep(10.0)
        for number in range(2000):
            for job_id in ("job_1", f"job_{number + 2}"):
                await ask(app, event({"job_id": job_id}, event_id=f"{job_id} {number}"), {})
            await asyncio.sleep(0.05)
        assert len(transport.requests) == 1 + 20


async def test_a_webhook_from_the_wire_to_the_change(job_server: JobServer) -> None:
    one = job_server.add("capydb", "job_1", ["pending"], project_id="prj_1")
    two = job_server.add("capydb", "job_2", ["pending"], project_id="prj_1")
    slow = Pace(min_interval=0.01, max_interval=600.0, poll_cost=1e6)
    async with (
        Client("capydb", base_url=job_server.url_of("capydb"), token=job_server.token, pace=slow) as client,
        Watcher(client) as watcher,
    ):
        webhooks = capydb(token=TOKEN)
        runner, url = await serving(webhook_handler(webhooks, watcher, clock=lambda: NOW))
        await watcher.add("job_1", "job_2")
        assert {(await next_change(watcher)).job_id for _ in range(2)} == {"job_1", "job_2"}
        looks = len(job_server.requests)
        body = event({"job_id": "job_1"})
        one.advance("running")
        async with aiohttp.ClientSession() as session:
            await (await session.post(url, data=body, headers=signed(body))).read()
            change = await next_change(watcher)
            assert (change.job_id, change.status, len(job_server.requests)) == ("job_1", "running", looks + 1)
            two.advance("running")
            await (await session.post(url, data=PREVIEW, headers=signed(PREVIEW, delivery="dlv_2"))).read()
            change = await next_change(watcher)
        assert (change.job_id, change.status) == ("job_2", "running")
        assert len(job_server.requests) == looks + 2
        await runner.cleanup()


@pytest.mark.slow
def test_making_the_application_loads_no_aiohttp() -> None:
    import subprocess

    script = (
        "import sys, jobwatch;"
        "jobwatch.webhook_app(jobwatch.Webhooks('bedrock'), jobwatch.Client('bedrock', token='x'));"
        "print('aiohttp' in sys.modules);"
        "jobwatch.webhook_handler(jobwatch.Webhooks('bedrock'), jobwatch.Client('bedrock', token='x'));"
        "print('aiohttp' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]


# --- its README ---------------------------------------------------------------------------------------------------


async def test_the_service_in_the_readme(job_server: JobServer, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (Path(__file__).parents[2] / "jobwatch" / "_serving" / "webhooks" / "README.md").read_text("utf-8")
    (block,) = [found for found in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "webhook_handler" in found]
    job = job_server.add("capydb", "job_1", ["pending"])
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    monkeypatch.setenv("CAPYDB_API_KEY", str(job_server.token))
    monkeypatch.setenv("CAPYDB_WEBHOOK_SECRET", SECRET)
    seen: asyncio.Queue[str] = asyncio.Queue()
    names: dict[str, Any] = {"__name__": "service", "print": lambda change: seen.put_nowait(str(change))}
    exec(compile(block, "README.md", "exec"), names)
    runner = web.AppRunner(names["service"](), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/capydb"
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        assert await seen.get() == "job_1 pending"
        job.advance("running")
        job.advance("completed")
        import time

        body = event({"job_id": "job_1"})
        async with session.post(url, data=body, headers=signed(body, at=time.time())) as response:
            assert response.status == 200
        assert [await seen.get(), await seen.get()] == ["job_1 running", "job_1 completed"]
    await runner.cleanup()
