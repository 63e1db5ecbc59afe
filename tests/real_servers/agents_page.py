"""The page on agents' tasks, its commands and programs run as they stand, and with other messages, on real servers."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.project import agents_page

from . import a2a, mcp
from .house import plain, workplace

WAITS = [
    ("message.json", {}, "", 0, "TASK_STATE_COMPLETED"),
    ("message.json", {"book a table": "bad"}, "", 1, "the oven is cold"),
    ("message.json", {"book a table": "rejects"}, "", 1, "not my kind of task"),
    ("message.json", {"book a table": "parked"}, "--fail-on blocked", 8, "which colour?"),
    ("message.json", {"A2A-Version: 1.0": "A2A-Version: 0.3"}, "", 2, "A2A version '0.3' is not supported"),
    ("message.json", {"book a table": "unfinished", "10m": "4s"}, "", 6, "TASK_STATE_WORKING"),
    ("call.json", {}, "", 0, "completed"),
    ("call.json", {"research": "bad", '"topic": "otters"': ""}, "", 1, "the oven is cold"),
    ("call.json", {"research": "raises", '"topic": "otters"': ""}, "", 1, "the protocol broke"),
    ("call.json", {"research": "parked", '"topic": "otters"': ""}, "--fail-on blocked", 8, "which colour?"),
    ("call.json", {'"io.modelcontextprotocol/tasks": {}': ""}, "", 2, "-32021 "),
    ("call.json", {"topic": "subject"}, "", 1, "subject"),
    ("message.json", {"book a table": "says"}, "--json", 10, "42"),
]
"""Of a block: what is changed in it, more options, the exit code, and what is told."""


def tried(environments: Path) -> list[bool]:
    """Run all of it, and return of each whether it was right."""
    results: list[bool] = []
    with a2a.agent(environments) as agent, mcp.tools(environments) as tools, workplace() as folder:
        variables = {"A2A_URL": agent, "MCP_URL": tools}
        for word, changes, options, code, told in WAITS:
            ran = agents_page.wait(word, folder, variables, changes, options)
            results.append(_told(ran, f"{word} {options or ' '.join(changes.values())}", code, told))
        server = mcp.Server((tools, tools))
        task_id = plain(server.start("good"))["result"]["taskId"]
        for name, told in (("a2a", "'text': '42'"), ("mcp", '"answer":42')):
            words = [sys.executable, "-c", agents_page.program(f'Client("{name}")')]
            ran = agents_page.run(words, folder, {**variables, "TASK_ID": task_id})
            results.append(_told(ran, f"program for {name}", 0, told))
    return results


def _told(ran: agents_page.Ran, what: str, code: int, told: str) -> bool:
    good = ran.code == code and told in ran.out
    last = ran.out.strip().rpartition("\n")[2][:160]
    print(f"{'ok ' if good else 'BAD'}  agents_page  {what[:40]:40} exit {ran.code}  {last}", flush=True)
    return good
