#!/bin/sh
# aiohttp-sse-client 0.2.1 with aiohttp 3.14.5, and sseclient-py 1.9.0 with requests 2.34.2 (PyPI), against a server on
# loopback whose connection ends in the middle of an event.
#
# Guess: an event that has no empty line after it when the connection ends is thrown away, as the standard of
# server-sent events says, and comes whole after a reconnect with Last-Event-ID.
# Seen: aiohttp-sse-client reconnects as it should, and puts the half that it had before the whole that comes then: the
# data of two events in one, which is no JSON. sseclient-py, which leaves the reconnect to its user, hands the half on
# as an event of its own: a progress of 100 is told as 10, COMPLETED_WITH_ERRORS as COMPLETED. So what an event says has
# to be looked up, or must be of a form of which no beginning is whole.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check aiohttp-sse-client==0.2.1 aiohttp==3.14.5 \
  sseclient-py==1.9.0 requests==2.34.2
"$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import datetime
import socket
import threading

import requests
import sseclient
from aiohttp_sse_client.client import EventSource

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def served(*streams):
    """Answers the first connection with the first of the streams, and so on; returns the URL and what was asked."""
    listening = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        for stream in streams:
            connection, _ = listening.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(4096)
                asked.append([line for line in request.decode().split("\r\n") if "event-id" in line.lower()])
                connection.sendall(HEAD + stream)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}/", asked


async def reconnecting(before, after):
    url, asked = served(before, after)
    events = []
    async with EventSource(url, reconnection_time=datetime.timedelta(seconds=0.05)) as source:
        async for event in source:
            events.append(event.data)
            if event.last_event_id == "3":
                break
    return events, asked[1]


def once(stream):
    with requests.get(served(stream)[0], stream=True, timeout=20) as reply:
        return [event.data for event in sseclient.SSEClient(reply).events()]


first = b'id: 1\ndata: {"status": "PENDING"}\n\n'
second = b'id: 2\ndata: {"status": "RUNNING"}\n\n'
third = b'id: 3\ndata: {"status": "COMPLETED"}\n\n'
joined = [asyncio.run(reconnecting(first + second[:cut], second + third)) for cut in (20, -1)]
cut_off = b"data: 100\n\n"[:8], b"data: COMPLETED_WITH_ERRORS\n\n"[:15], b"data: 100\n\n"[:-1]
halves = [once(b"data: QUEUED\n\n" + event) for event in cut_off]
for events, asked in joined:
    print("aiohttp-sse-client, asked on with", *asked, "told:", events)
for event, events in zip(cut_off, halves):
    print("sseclient-py, cut off after", event, "told:", events)
pending, running, completed = ('{"status": "%s"}' % word for word in ("PENDING", "RUNNING", "COMPLETED"))
assert [asked for _, asked in joined] == [["Last-Event-Id: 1"]] * 2, joined
assert joined[0][0] == [pending, '{"status\n' + running, completed], "half an event is thrown away now"
assert joined[1][0] == [pending, f"{running}\n{running}", completed], joined[1]
assert halves == [["QUEUED", "10"], ["QUEUED", "COMPLETED"], ["QUEUED", "100"]], "half an event is thrown away now"
PYTHON
