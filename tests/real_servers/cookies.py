"""A proxy that keeps cookies for a client that keeps none: for servers that count by them how often they were asked."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import threading
from collections.abc import Iterator

_OWN = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "set-cookie"})


class _Proxy(http.server.ThreadingHTTPServer):
    """Asks one server, and keeps its cookies until another job is started."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.cookies: dict[str, str] = {}
        self.is_to_be_started_again = False


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Say nothing."""

    def _passed_on(self) -> None:
        proxy, is_start = self.server, self.command != "GET"
        if is_start and not proxy.is_to_be_started_again:
            proxy.cookies.clear()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in proxy.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        proxy.is_to_be_started_again = is_start and answer.status >= 500
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            proxy.cookies[name] = value
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OWN:
                self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = _passed_on  # noqa: N815 - the names that are looked for


@contextlib.contextmanager
def keeping_cookies(port: int) -> Iterator[str]:
    """Serve the proxy of a server on loopback, and give its address."""
    with _Proxy(port) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}"
        finally:
            proxy.shutdown()
            thread.join()
