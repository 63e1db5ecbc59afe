"""OGX, which serves the APIs of OpenAI and Anthropic: batches of both, and responses in the background.

The model that it asks is a program of a few lines, which answers, refuses, is cut off or takes long as it is told to.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jobwatch import Client, Response

from .house import ask, environment, free_port, plain, process, until_it_answers, workplace

REQUIREMENT = "ogx==1.5.0 sqlite-vec aiosqlite pypdf chardet"
OUTCOMES = {
    "batch": "succeeded",
    "batch_some": "partial",
    "batch_none": "failed",
    "batch_wrong": "failed",
    "stopped_batch": "cancelled",
    "batch_unknown": "not_found",
    "response": "succeeded",
    "response_bad": "failed",
    "response_cut": "partial",
    "stopped_response": "cancelled",
    "response_unknown": "not_found",
    "response_refused": "refused",
    "messages": "succeeded",
    "messages_some": "partial",
    "messages_none": "failed",
    "stopped_messages": "cancelled",
    "stopped_messages_some": "partial",
    "messages_unknown": "not_found",
}
TOLD = {
    "batch_wrong": "'nobody' does not exist",
    "response_bad": "the oven is cold",
    "response_cut": "length",
    "response_refused": "HTTP 4",
}
_ASKED = {"some": ("flour", "bad"), "none": ("bad",), "bad": ("bad",), "cut": ("cut",)}
_NOWHERE = {
    "batch_unknown": {"id": "batch_none", "status": "validating"},
    "response_unknown": {"id": "resp_none", "status": "queued"},
    "messages_unknown": {"id": "msgbatch_none", "processing_status": "in_progress"},
}

_MODEL = """
import http.server, json, sys, time


class Model(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.told(200, {"object": "list", "data": [{"id": "cook", "object": "model", "created": 1, "owned_by": "us"}]})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(asked["messages"])
        time.sleep(60 if "slow" in text else 1)
        if "bad" in text:
            return self.told(400, {"error": {"message": "the oven is cold", "type": "invalid_request_error"}})
        if self.path.endswith("/messages"):
            content, usage = [{"type": "text", "text": "42"}], {"input_tokens": 1, "output_tokens": 1}
            told = {"id": "m", "type": "message", "role": "assistant", "model": "cook", "content": content}
            return self.told(200, told | {"stop_reason": "end_turn", "usage": usage})
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        told, reason = {"id": "c", "created": 1, "model": "cook"}, "length" if "cut" in text else "stop"
        if not asked.get("stream"):
            choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": "42"}}
            return self.told(200, told | {"object": "chat.completion", "choices": [choice], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for delta, end in (({"role": "assistant", "content": "42"}, None), ({}, reason)):
            choice = {"index": 0, "delta": delta, "finish_reason": end}
            chunk = told | {"object": "chat.completion.chunk", "choices": [choice]}
            self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\\n\\n")
        self.wfile.write(b"data: [DONE]\\n\\n")

    def told(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Model).serve_forever()
"""

# The encoding that it counts tokens by is downloaded when it starts; nothing here depends on the count.
_START = """
import sys

import tiktoken

bytes_only = {"pat_str": ".", "mergeable_ranks": {bytes([each]): each for each in range(256)}, "special_tokens": {}}
tiktoken.get_encoding = lambda name: tiktoken.Encoding("bytes", **bytes_only)

from ogx.cli.ogx import main

sys.argv[0] = "ogx"
main()
"""

_CONFIG = """
version: 2
distro_name: kitchen
apis: [batches, files, file_processors, inference, messages, responses, tool_runtime, vector_io]
providers:
  inference:
  - {{provider_id: own, provider_type: "remote::vllm", config: {{base_url: "{model}/v1", api_token: none}}}}
  files:
  - provider_id: files
    provider_type: inline::localfs
    config: {{storage_dir: ./files, metadata_store: {{table_name: files, backend: sql_default}}}}
  file_processors:
  - {{provider_id: processors, provider_type: "inline::pypdf"}}
  tool_runtime: []
  vector_io:
  - provider_id: vectors
    provider_type: inline::sqlite-vec
    config: {{db_path: ./vectors.db, persistence: {{namespace: vectors, backend: kv_default}}}}
  messages:
  - provider_id: messages
    provider_type: inline::builtin
    config: {{kvstore: {{namespace: message_batches, backend: kv_default}}, max_concurrent_batches: 9}}
  responses:
  - provider_id: responses
    provider_type: inline::builtin
    config: {{persistence: {{responses: {{table_name: responses, backend: sql_default}}}}}}
  batches:
  - provider_id: batches
    provider_type: inline::reference
    config: {{sqlstore: {{backend: sql_default, table_name: batches}}, max_concurrent_batches: 9}}
storage:
  backends:
    kv_default: {{type: kv_sqlite, db_path: ./kv.db}}
    sql_default: {{type: sql_sqlite, db_path: ./sql.db}}
  stores:
    metadata: {{namespace: registry, backend: kv_default}}
    inference: {{table_name: inference, backend: sql_default}}
    conversations: {{table_name: conversations, backend: sql_default}}
    prompts: {{table_name: prompts, backend: sql_default}}
    connectors: {{table_name: connectors, backend: sql_default}}
registered_resources: {{models: [], vector_stores: []}}
"""


class Server:
    """OGX, started, and what was started on it last."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._kind = ""

    def client(self) -> Client:
        """Return a client of the API that the last job was started by."""
        if "batch" in self._kind:
            return Client("openai", base_url=f"{self.url}/v1", token="none", appear_within=5)
        if "response" in self._kind:
            return Client("openai-responses", base_url=f"{self.url}/v1", token="none", appear_within=5)
        return Client("anthropic", base_url=self.url, token="none", appear_within=5)

    def start(self, kind: str) -> Response:
        """Start a job; of an unknown one, say what the API says of any."""
        self._kind = kind
        if kind in _NOWHERE:
            return Response(msgspec.json.encode(_NOWHERE[kind]))
        asked = _ASKED.get(kind.rpartition("_")[2], ("flour", "salt"))
        if kind.startswith("stopped"):
            asked = ("flour", "slow") if kind.endswith("some") else ("slow",)
        if "batch" in kind:
            return self._batch(asked, "nobody" if kind == "batch_wrong" else "own/cook")
        if "response" in kind:
            told: dict[str, Any] = {"model": "own/cook", "input": asked[0], "background": True}
            return ask("POST", f"{self.url}/v1/responses", told | ({"store": False} if "refused" in kind else {}))
        requests = [{"custom_id": str(each), "params": _message(text)} for each, text in enumerate(asked)]
        return ask("POST", f"{self.url}/v1/messages/batches", {"requests": requests})

    def cancel(self, job_id: str) -> Response:
        """Cancel a job; one of which a part is to be done, when that is."""
        if self._kind.endswith("_some"):
            time.sleep(2.5)
        path = "batches" if "batch" in self._kind else "responses" if "response" in self._kind else "messages/batches"
        return ask("POST", f"{self.url}/v1/{path}/{job_id}/cancel", {})

    def _batch(self, asked: tuple[str, ...], model: str) -> Response:
        endpoint = "/v1/chat/completions"
        bodies = [{"model": model, "messages": [{"role": "user", "content": text}]} for text in asked]
        lines = [
            msgspec.json.encode({"custom_id": str(each), "method": "POST", "url": endpoint, "body": body})
            for each, body in enumerate(bodies)
        ]
        form = b"".join(
            (
                b'--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n',
                b'--edge\r\nContent-Disposition: form-data; name="file"; filename="lines.jsonl"\r\n\r\n',
                b"\n".join(lines),
                b"\r\n--edge--\r\n",
            )
        )
        file = ask("POST", f"{self.url}/v1/files", form, {"Content-Type": "multipart/form-data; boundary=edge"})
        told = {"input_file_id": plain(file)["id"], "endpoint": endpoint, "completion_window": "24h"}
        return ask("POST", f"{self.url}/v1/batches", told)


def _message(text: str) -> dict[str, Any]:
    return {"model": "own/cook", "max_tokens": 16, "messages": [{"role": "user", "content": text}]}


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it, and the model."""
    bin_folder, port, model = environment(environments, REQUIREMENT, python="3.12"), free_port(), free_port()
    with workplace() as folder:
        (folder / "model.py").write_text(_MODEL)
        (folder / "start.py").write_text(_START)
        (folder / "config.yaml").write_text(_CONFIG.format(model=f"http://127.0.0.1:{model}"))
        command = [str(bin_folder / "python"), "start.py", "run", "config.yaml", "--insecure", "--port", str(port)]
        with (
            process([sys.executable, "model.py", str(model)], folder, {}, "model.txt"),
            process(command, folder, {"HOME": str(folder)}) as server,
        ):
            until_it_answers(f"http://127.0.0.1:{port}/v1/models", server, folder)
            yield Server(f"http://127.0.0.1:{port}")
