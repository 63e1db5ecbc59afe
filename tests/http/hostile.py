"""Replies that no honest server sends, each from a raw server to a client that waits for a job which is running.

In each of them, words of an end (``COMPLETED``, ``FAILED``) stand where they must not be believed: behind a cut, in a
header, under another id, in a second document, beside a status that says no. The job runs on, and then it is cancelled,
as honest replies tell. So whatever a client makes of a case, it has to see ``CANCELLED``, and no other end before.
``python -m tests.http.hostile [NAME ...]`` prints what comes of each case, and for how long the event loop was held at
most, in CPU time.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
import zlib
from collections.abc import Iterator
from typing import Self, TypeAlias

import jobwatch

from .raw_server import Answer, RawServer, closing, dribbling, http, resetting

Cases: TypeAlias = Iterator[tuple[str, Answer]]

MIB = 1024 * 1024
CRLF = b"\r\n"
PACE = jobwatch.Pace(min_interval=0.01, max_interval=0.02)
TIMES = 2
"""How often each hostile reply is sent."""


def job(status: str = "COMPLETED", job_id: object = "j", **more: object) -> bytes:
    """Return a body of Bedrock's."""
    return json.dumps({"data": {"id": job_id, "status": status, **more}}).encode()


LIE = job()
RUNNING = job("RUNNING")
DONE = job("CANCELLED")


def reply(body: bytes, *lines: bytes, status: bytes = b"HTTP/1.1 200 OK", length: bytes | None = None) -> bytes:
    """Return a reply with header lines that are sent as they are."""
    size = b"Content-Length: %d" % len(body) if length is None else length
    return CRLF.join([status, *([size] if size else []), *lines, b"", body])


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n", lines: tuple[bytes, ...] = ()) -> bytes:
    """Return a chunked reply of chunks that are sent as they are."""
    return reply(b"".join(chunks) + end, b"Transfer-Encoding: chunked", *lines, length=b"")


def chunk(data: bytes, size: bytes | None = None) -> bytes:
    """Return a chunk, whatever it says of its size."""
    return (b"%x" % len(data) if size is None else size) + CRLF + data + CRLF


# --- the cases ------------------------------------------------------------------------------------------------------


def cuts() -> Cases:
    """Yield replies that end early."""
    whole, pieces = http(LIE), chunked(chunk(LIE[:20]), chunk(LIE[20:]))
    for place in range(1, len(whole), 4):
        yield f"cut after {place} bytes", closing(whole[:place])
    for place in range(40, len(pieces), 8):
        yield f"chunks cut after {place} bytes", closing(pieces[:place])
    for place in (0, 1, 20, 50, len(whole) - 1):
        yield f"reset after {place} bytes", resetting(whole[:place])
    for place in (1, 10, len(LIE) // 2, len(LIE) - 1):
        yield f"without a length, cut after {place}", closing(reply(LIE[:place], b"Connection: close", length=b""))


def lengths() -> Cases:
    """Yield lengths that are none, or disagree."""
    wrong = ["+%d", "-%d", "0x%x", "%d;", "%d.0", "%de0", "4_%d", "%d,%d", "a%d", "\u0664\u0661%d", "9" * 40 + "%d"]
    for text in wrong:
        value = text.replace("%d", str(len(LIE))).replace("%x", f"{len(LIE):x}")
        yield f"Content-Length: {value.encode()!r}", closing(reply(LIE, length=b"Content-Length: " + value.encode()))
    for other in (0, 1, len(LIE) - 1, len(LIE) + 1):
        two = b"Content-Length: %d\r\nContent-Length: %d"
        yield f"two lengths, {other} last", closing(reply(LIE, length=two % (len(LIE), other)))
        yield f"two lengths, {other} first", closing(reply(LIE, length=two % (other, len(LIE))))
    for short in (1, 5, len(LIE) - 1):
        yield f"a length of {short}", reply(LIE, length=b"Content-Length: %d" % short)
    both = reply(chunk(LIE) + b"0\r\n\r\n", b"Transfer-Encoding: chunked", length=b"Content-Length: 5")
    yield "a length and chunks", closing(both)
    yield "chunks and a length", closing(reply(LIE, b"Transfer-Encoding: chunked"))


def chunks() -> Cases:
    """Yield chunks whose sizes lie, and words in what goes with chunks."""
    size = b"%x" % len(LIE)
    wrong = (
        b"-1",
        b"0x" + size,
        b"+" + size,
        size + b"zz",
        b"",
        b" ",
        b"g",
        b"\x00" + size,
        b"1_0",
        b"ffffffffffffffffff",
    )
    # One byte too many would take in the return that ends the chunk, which the parser does without: then it is read.
    for text in (*wrong, b"5", b"1", b"%x" % (len(LIE) - 1), b"%x" % (len(LIE) + 2)):
        yield f"a chunk of {text!r}", closing(chunked(chunk(LIE, text)))
    yield "a chunk without its end", closing(chunked(b"%b\r\n%b" % (size, LIE)))
    yield "no last chunk", closing(chunked(chunk(LIE), end=b""))
    yield "half a last chunk", closing(chunked(chunk(LIE), end=b"0\r"))
    yield "an end in an extension", chunked(chunk(RUNNING, b"%x;status=COMPLETED" % len(RUNNING)))
    yield "an end in a trailer", chunked(chunk(RUNNING), end=b"0\r\nX-Status: COMPLETED\r\n\r\n")
    yield "a body in a trailer", chunked(chunk(RUNNING), end=b"0\r\n" + LIE + b"\r\n\r\n")
    yield "chunks of one byte", chunked(*(chunk(RUNNING[place : place + 1]) for place in range(len(RUNNING))))
    yield "an end behind the last chunk", chunked(chunk(RUNNING)) + chunk(LIE) + b"0\r\n\r\n"
    for coding in (b"gzip, chunked", b"xchunked", b"chunked, gzip", b"identity", b"chunked, chunked"):
        coded = reply(chunk(LIE) + b"0\r\n\r\n", b"Transfer-Encoding: " + coding, length=b"")
        yield f"Transfer-Encoding: {coding!r}", closing(coded)


def heads() -> Cases:
    """Yield headers that are none, or say what only a body may."""
    lines = {
        "a folded line": b"X-A: 1\r\n COMPLETED",
        "a bare line feed": b"X-A: 1\nX-Status: COMPLETED",
        "a bare return": b"X-A: 1\rX-Status: COMPLETED",
        "a NUL": b"X-A: COM\x00PLETED",
        "a space before the colon": b"X-Status : COMPLETED",
        "no colon": b"COMPLETED",
        "no name": b": COMPLETED",
        "a name beyond ASCII": "X-St\u00e4tus: COMPLETED".encode(),
        "a value beyond ASCII": "X-A: \u202eCOMPLETED".encode(),
        "a body for a line": LIE,
        "a long line": b"X-A: " + b"COMPLETED" * 20_000,
        "a long name": b"X" * 20_000 + b": 1",
        "many lines": CRLF.join(b"X-%d: COMPLETED" % number for number in range(300)),
        "very many lines": CRLF.join(b"X-%d: COMPLETED" % number for number in range(20_000)),
        "cookies": CRLF.join(b"Set-Cookie: c%d=COMPLETED; Path=/" % number for number in range(100)),
        "a wrong cookie": b"Set-Cookie: =;=;\x01=COMPLETED",
        "a link": b'Link: </jobs/j?status=COMPLETED>; rel="self"',
        "an odd validator": b'ETag: "COMPLETED\x7f"',
        "an odd date": b"Date: COMPLETED, 99 Foo -1 99:99:99 GMT",
        "an odd rate": b"X-RateLimit-Remaining: COMPLETED\r\nX-RateLimit-Reset: 1e999",
        "another content": b"Content-Location: /jobs/done\r\nContent-Range: bytes 0-5/COMPLETED",
    }
    for name, line in lines.items():
        yield name, reply(RUNNING, line)
    for kind in (
        "text/html",
        "text/event-stream",
        "application/octet-stream",
        "COMPLETED",
        "application/json; charset=x",
    ):
        yield f"Content-Type: {kind}", reply(RUNNING, b"Content-Type: " + kind.encode())
    yield "a head without end", closing(b"HTTP/1.1 200 OK\r\n" + b"X-Status: COMPLETED\r\n" * 50)


def statuses() -> Cases:
    """Yield an end beside a status that says that there is none."""
    refused = (400, 401, 402, 403, 404, 405, 408, 409, 418, 421, 422, 423, 425, 431, 451, 500, 501, 502, 504, 505, 511)
    for status in (204, 205, 206, 304, 300, 305, 306, 399, *refused, 599, 600, 999):
        yield f"HTTP status {status}", http(LIE, status=f"{status} Completed")
    for line in (
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 -200 OK",
        b"HTTP/1.1 +200 OK",
        b"HTTP/1.1 2 00",
        b"HTTP/1.1",
        b"HTTP/11 200 OK",
        b"HTTP/x.y 200 OK",
        b"HTTPS/1.1 200 OK",
        b"ICY 200 OK",
        b"COMPLETED",
    ):
        yield f"status line {line!r}", closing(reply(LIE, status=line))
    for line in (
        b"HTTP/1.1 200 COMPLETED",
        b"HTTP/1.1  200 COMPLETED",
        b"HTTP/1.1 200\tCOMPLETED",
        b"\r\n\r\nHTTP/1.1 200 OK",
        b"RTSP/1.0 200 OK",
    ):
        yield f"status line {line!r} and no end", closing(reply(RUNNING, status=line))
    for status in (100, 102, 103, 199):
        interim = b"HTTP/1.1 %d COMPLETED\r\nX-Status: COMPLETED\r\n\r\n" % status
        yield f"one {status} first", interim + http(RUNNING)
        yield f"500 times {status} first", interim * 500 + http(RUNNING)
        yield f"a body behind {status}", closing(interim + LIE)
    yield (
        "a protocol switch",
        closing(b"HTTP/1.1 101 COMPLETED\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n" + LIE),
    )
    yield "no protocol switch", closing(reply(LIE, b"Upgrade: h2c", status=b"HTTP/1.1 426 COMPLETED"))


def redirects() -> Cases:
    """Yield redirects to elsewhere, to nowhere and in circles, with an end in their bodies."""
    for status in (301, 302, 303, 307, 308):
        for place in ("https://127.0.0.1:1/jobs/j", "/jobs/j", "//example.invalid/j"):
            yield f"{status} to {place}", http(LIE, f"Location: {place}", status=f"{status} COMPLETED")
    places = [
        "",
        "http://u:COMPLETED@127.0.0.1/",
        "javascript:COMPLETED",
        "data:,COMPLETED",
        "http://",
        "\x7f",
        "http://[::1",
    ]
    for place in places:
        yield f"302 to {place!r}", http(LIE, f"Location: {place}", status="302 Found")
    yield "302 to nowhere", http(LIE, status="302 Found")
    yield "302 to two places", http(LIE, "Location: /a", "Location: /b", status="302 Found")


def codings() -> Cases:
    """Yield bodies in codings that nobody asked for, small bombs among them."""
    yield "gzip", http(gzip.compress(RUNNING), "Content-Encoding: gzip")
    yield "deflate", http(zlib.compress(RUNNING), "Content-Encoding: deflate")
    yield "an end packed and cut", http(gzip.compress(LIE)[:-1], "Content-Encoding: gzip")
    yield "an end packed, and more", http(gzip.compress(LIE) + gzip.compress(RUNNING), "Content-Encoding: gzip")
    packed = {
        "gzip": gzip.compress(LIE) + b"x",
        "deflate": zlib.compress(LIE)[:-1],
        "br": b"\x0b\x14\x80" + LIE + b"\x03",
    }
    packed |= {"zstd": b"\x28\xb5\x2f\xfd\x04\x00" + LIE, "compress": b"\x1f\x9d" + LIE, "COMPLETED": LIE, "*": LIE}
    for coding, body in packed.items():
        yield f"Content-Encoding: {coding}", http(body, f"Content-Encoding: {coding}")
        yield f"{coding}, not told", http(body if body is not LIE else body[:-1])
    bomb = gzip.compress(b" " * 10 * MIB + LIE)
    yield "a bomb in gzip", http(bomb, "Content-Encoding: gzip")
    yield "a bomb in deflate", http(zlib.compress(b" " * 10 * MIB + LIE), "Content-Encoding: deflate")
    yield "a bomb within a bomb", http(gzip.compress(bomb), "Content-Encoding: gzip, gzip")
    yield "members of gzip", http(gzip.compress(b"") * 5000 + gzip.compress(LIE), "Content-Encoding: gzip")
    yield "plain, called gzip", http(LIE, "Content-Encoding: gzip")
    yield "UTF-16", http(LIE.decode().encode("utf-16"), "Content-Type: application/json; charset=utf-16")
    yield "UTF-32", http(LIE.decode().encode("utf-32"))
    yield "half a character", http(job("RUNNING", note="x").replace(b"x", b"\xe9"))
    yield "two byte order marks", http(b"\xef\xbb\xbf" * 2 + LIE)


def bodies() -> Cases:
    """Yield JSON that is none, is about something else, or says an end where none is told."""
    told = {
        "another id": job(job_id="k"),
        "an id of no text": job(job_id=["j"]),
        "no id": b'{"data":{"status":"COMPLETED"}}',
        "a null for an id": job(job_id=None),
        "no status": b'{"data":{"id":"j","state":"COMPLETED"}}',
        "a list for a status": b'{"data":{"id":"j","status":["COMPLETED"]}}',
        "an object for a status": b'{"data":{"id":"j","status":{"COMPLETED":true}}}',
        "another case of a key": b'{"data":{"id":"j","Status":"COMPLETED"}}',
        "a key twice, the last one runs": b'{"data":{"id":"j","status":"COMPLETED","status":"RUNNING"}}',
        "an envelope twice": LIE[:-1] + b"," + RUNNING[1:],
        "an envelope too many": b'{"data":%b}' % LIE,
        "an envelope that is null": b'{"data":null,"id":"j","status":"COMPLETED"}',
        "a list of jobs": b"[%b]" % LIE,
        "a text": json.dumps(LIE.decode()).encode(),
        "an error in a 200": b'{"error":{"id":"j","status":"COMPLETED"}}',
        "two documents": LIE + LIE,
        "lines of documents": LIE + b"\n" + LIE,
        "a call": b"done(" + LIE + b");",
        "a guard before": b")]}',\n" + LIE,
        "a comment": b"/* */" + LIE,
        "a comma too many": LIE[:-2] + b",}}",
        "single quotes": LIE.replace(b'"', b"'"),
        "no number": job("RUNNING")[:-2] + b',"progress":NaN}}',
        "a control character": LIE.replace(b"COMPLETED", b"COMPLETED\n"),
        "half a surrogate pair": LIE.replace(b"COMPLETED", b"COMPLETED\\ud800"),
        "an unknown word": job("COMPLETED?"),
        "a word with a NUL": job("COMPLETED\x00"),
        "a word with a space": job("COMPLETED "),
        "a word of another alphabet": job("\u0421OMPLETED"),
        "a word that folds to one": job("\u017fucceeded"),
        "a word of no width": job("\u200bCOMPLETED"),
        "an end in the history": job("RUNNING", events=[{"status": "COMPLETED"}]),
        "an end in the result": job("RUNNING", results={"status": "COMPLETED"}, error="FAILED"),
        "a date of an end": job("RUNNING", completed_at="2024-01-01T00:00:00Z"),
        "nothing": b"",
        "white space": b" \r\n\t" * 1000,
        "a login page": b"<html>COMPLETED</html>",
        "XML": b"<job id='j' status='COMPLETED'/>",
        "a form": b"id=j&status=COMPLETED",
        "parts": b"--b\r\nContent-Type: application/json\r\n\r\n%b\r\n--b--\r\n" % LIE,
        "an event": b"event: completed\ndata: %b\n\n" % LIE,
        "too large": b" " * (MIB + 1) + LIE,
    }
    for name, body in told.items():
        yield name, http(body, "Content-Type: application/json")


def large_bodies() -> Cases:
    """Yield bodies of nearly 1 MiB that take long to read."""
    values = {
        "deep lists": b"[" * 400_000 + b"]" * 400_000,
        "deep objects": b'{"":' * 150_000 + b"0" + b"}" * 150_000,
        "lists": b"[" + b"[]," * 300_000 + b"0]",
        "lists of lists": b"[" + (b"[" * 400 + b"]" * 400 + b",") * 1200 + b"0]",
        "objects": b"[" + b"{}," * 300_000 + b"0]",
        "numbers": b"[" + b"7," * 400_000 + b"0]",
        "hard numbers": b"[" + b"5e-324," * 140_000 + b"0]",
        "long numbers": b"[" + b"7" * 900_000 + b"]",
        "entries": b"[" + b'{"status":"COMPLETED"},' * 40_000 + b'{"status":"RUNNING"}]',
        "keys": b"{" + b",".join(b'"%x":0' % number for number in range(90_000)) + b"}",
        "escapes": b'"' + b"\\u00e9" * 160_000 + b'"',
    }
    for name, value in values.items():
        for field in (b"results", b"events", b"error", b"unknown"):
            body = b'{"data":{"id":"j","status":"RUNNING","%b":%b}}' % (field, value)
            yield f"{name} as {field.decode()}", http(body)
    for name in ("lists", "objects", "hard numbers", "keys"):
        yield f"{name} in an error", http(b'{"errors":%b}' % values[name], status="500 COMPLETED")


def protocols() -> Cases:
    """Yield what is no HTTP/1.1, and what is not asked for."""
    yield "HTTP/0.9", closing(LIE)
    yield "HTTP/2", closing(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) + LIE)
    yield "settings of HTTP/2", closing(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + LIE)
    yield "a TLS alert", closing(b"\x15\x03\x01\x00\x02\x02\x28")
    yield "another server's greeting", closing(b"220 COMPLETED ESMTP\r\n")
    yield "a shell's greeting", closing(b"SSH-2.0-COMPLETED\r\n")
    yield "a request", closing(b"GET /COMPLETED HTTP/1.1\r\nHost: j\r\n\r\n")
    yield "zeros", closing(bytes(4096))
    yield "ones", closing(b"\xff" * 4096)
    yield "nothing but a line end", closing(b"\r\n")
    yield "nothing at all", closing(b"")
    yield "a second answer", http(RUNNING) + http(LIE)
    yield "ten more answers", http(RUNNING) + http(LIE) * 10
    yield "half a second answer", http(RUNNING) + http(LIE)[:-3]
    yield "a body behind the body", http(RUNNING) + LIE
    yield "a refusal behind the answer", http(RUNNING) + http(LIE, status="410 Gone")
    yield "byte by byte", dribbling(http(RUNNING, "X-Status: COMPLETED"), 0.0)
    yield "an HTTP/1.0 answer that is cut", closing(reply(LIE[:-1], status=b"HTTP/1.0 200 OK", length=b""))


GROUPS = {
    each.__name__: dict(each())
    for each in (cuts, lengths, chunks, heads, statuses, redirects, codings, bodies, large_bodies, protocols)
}


# --- what a client makes of them ------------------------------------------------------------------------------------


TABLE = """
job = "https://api.test/jobs/{job_id}"
id = "data.id"
status = "data.status"
error = "data.error"
result = "data.results"
created_at = "data.created_at"
events = { path = "data.events", status = "status", at = "timestamp" }
token = "TOKEN"
"""
"""The same bodies through a table."""
POST = TABLE + 'method = "POST"\nbody = "{job_id}"\n'
TABLES_OWN = frozenset({"a list for a status", "a word with a space"})
"""Cases in which the end is true by what a table's words are: all in a list count, and blanks in a word do not."""


async def wrong(answer: Answer, api: str | jobwatch.JobAPI = "bedrock", *, first: bool = False) -> str | None:
    """Return what a client got wrong of a case; None if it saw the job as it was.

    Args:
        answer: What the server sends.
        api: The API.
        first: Whether it is the answer to the first look, too, which may be an error that ends the wait.
    """
    answers = (*(() if first else (http(RUNNING),)), *[answer] * TIMES, http(RUNNING), http(DONE))
    async with RawServer(*answers) as server:
        client = jobwatch.Client(api, token="sk_test", base_url=server.url, pace=PACE, streams=False)
        async with client:
            waiting = client.wait_for("j", timeout=20)
            try:
                changes = [change async for change in waiting]
            except jobwatch.JobwatchError as error:
                if first and isinstance(error, jobwatch.LookError):
                    return None
                return f"{type(error).__name__}: {error}"
            except Exception as error:  # noqa: BLE001 - that is what is asked here
                return f"an exception of somebody else's: {error!r}"
    told = [change.status for change in changes if change.phase.ended]
    return None if told == ["CANCELLED"] else f"ends: {told}"


class Holds:
    """Measures how long callbacks hold the loop, in CPU time of its thread."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._run = asyncio.Handle._run

    def __enter__(self) -> Self:
        run = self._run

        def measured(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            self.longest = max(self.longest, time.thread_time() - began)

        asyncio.Handle._run = measured  # type: ignore[assignment, method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.Handle._run = self._run  # type: ignore[method-assign]


def main(names: list[str]) -> int:
    """Print what comes of each case, or of those named, and a summary."""
    asyncio.run(wrong(http(RUNNING)))  # what is imported at the first look holds the loop, too
    longest, failed, count = 0.0, 0, 0
    for group, cases in GROUPS.items():
        for name, answer in cases.items():
            if names and name not in names and group not in names:
                continue
            with Holds() as holds:
                said = asyncio.run(wrong(answer))
            print(f"{group}: {name}: {said or 'right'}, {holds.longest * 1000:.1f} ms", flush=True)
            longest, failed, count = max(longest, holds.longest), failed + (said is not None), count + 1
    print(f"{count} cases, {failed} wrong, the loop held for {longest * 1000:.1f} ms at most")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
