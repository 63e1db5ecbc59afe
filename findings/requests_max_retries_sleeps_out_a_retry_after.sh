#!/bin/sh
# requests 2.34.2 with urllib3 2.8.0 (PyPI), client and server on loopback.
#
# Guess: a session with `HTTPAdapter(max_retries=2)` tries again what did not get through, and gives a 429 or 503 to its
# caller at once: the adapter's documentation says that a number there counts for failed connections only, and never for
# a request of which data reached the server.
# Seen: a GET whose answer is a 429 or 503 with a Retry-After is sent three times, and the session sleeps for as long as
# that says in between, whatever `timeout` is; only then the caller gets the answer. Without the header, with another
# status, by POST or with max_retries=0 it is sent once. A poller that has a number there, for connections that break,
# stands still in one call, for up to six hours a try if the server says so, and counts one look where three were made.
#
# Prints what was seen and exits 0; exits 1 when any of it changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
"$folder/venv/bin/python" - <<'PYTHON'
import http.server
import threading
import time

import requests
import urllib3
from requests.adapters import HTTPAdapter

status, pause, asked = 200, None, 0


class Refusing(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        global asked
        asked += 1
        self.send_response(status)
        if pause is not None:
            self.send_header("Retry-After", pause)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *_):
        """Says nothing of each request."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()


def looked(max_retries, method, told, after):
    global status, pause, asked
    status, pause, asked = told, after, 0
    begun = time.monotonic()
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=max_retries))
        session.trust_env = False
        answer = session.request(method, f"http://127.0.0.1:{server.server_port}/", timeout=3)
    return answer.status_code, asked, time.monotonic() - begun


print("max_retries, method, status, Retry-After: what the caller got, requests, seconds")
seen = {}
for look in ((2, "GET", 429, "2"), (2, "GET", 503, "2"), (2, "GET", 429, None), (2, "GET", 500, "2"),
             (2, "POST", 429, "2"), (0, "GET", 429, "2")):
    seen[look] = looked(*look)
    print(*look, "->", *seen[look][:2], f"{seen[look][2]:.1f}")
server.shutdown()
said = " ".join(HTTPAdapter.__doc__.split())
assert "never to requests where data has made it to the server" in said, "it is documented otherwise now"
assert urllib3.Retry.DEFAULT_RETRY_AFTER_MAX == 6 * 3600, urllib3.Retry.DEFAULT_RETRY_AFTER_MAX
for told in (429, 503):
    answered, requested, seconds = seen.pop((2, "GET", told, "2"))
    assert (answered, requested) == (told, 3) and seconds >= 4.0, "a Retry-After is not slept out now"
assert all((answered, requested) == (look[2], 1) for look, (answered, requested, _) in seen.items()), seen
PYTHON
