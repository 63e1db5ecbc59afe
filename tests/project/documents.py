"""The texts that come with the code, and the blocks of code in them."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    ".github/CONTRIBUTING.md",
    "benchmarks/README.md",
    "jobwatch/_core/ENGINES.md",
    "jobwatch/_core/README.md",
    "jobwatch/_models/README.md",
    "jobwatch/_serving/page/README.md",
    "jobwatch/_serving/webhooks/README.md",
    "jobwatch/_sync/README.md",
    "jobwatch/_watching/README.md",
    "jobwatch/otel/README.md",
    "jobwatch/airflow/README.md",
    "jobwatch/apis/AGENTS.md",
    "jobwatch/apis/README.md",
    "jobwatch/cli/CI.md",
    "jobwatch/cli/EXAMPLES.md",
    "jobwatch/cli/README.md",
    "jobwatch/nats/README.md",
)
_BLOCK = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(Struct, frozen=True):
    """One block of code: in which document and on which line it begins, its language, and what stands in it."""

    document: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


class Command(Struct, frozen=True):
    """One command that a document shows behind a dollar sign, and what it shows as its output."""

    document: str
    line: int
    command: str
    output: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def text_of(document: str) -> str:
    """Return a document's text."""
    return (ROOT / document).read_text("utf-8")


def blocks(language: str, *documents: str) -> list[Block]:
    """Return the blocks of a language in some documents, or in all."""
    return [
        Block(document, text.count("\n", 0, found.start()) + 1, language, found[2])
        for document in documents or DOCUMENTS
        for text in [text_of(document)]
        for found in _BLOCK.finditer(text)
        if found[1] == language
    ]


def commands(*documents: str) -> list[Command]:
    """Return the commands in some documents, or in all."""
    found: list[Command] = []
    for block in blocks("console", *documents):
        for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
            if line.startswith("$ "):
                found.append(Command(block.document, number, line.removeprefix("$ "), ""))
            else:
                last = found[-1]
                found[-1] = Command(last.document, last.line, last.command, f"{last.output}{line}\n")
    return found
