"""``jobwatch timeline``: the states of jobs over time, from a journal or from lines that ``wait --json`` printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO

from .._errors import ConfigError, JournalError
from .._files.written import WholeFile
from .._report.lines import report_of
from .._report.words import headline
from ._output import note, without_secrets
from ._render import safe
from ._report_files import picture_of

if TYPE_CHECKING:
    from .._report.model import Report
    from ._arguments import Options


def run(options: Options) -> int:
    """Draw what a journal or a file of lines tells, and say in a line what that is."""
    draw = picture_of(options.output or "", "--output")
    file = WholeFile(options.output or "", "--output")
    if os.path.realpath(options.file) == str(file.path):
        raise ConfigError(f"--output {options.output} is what is to be read: name another file")
    report = _report(options.file)
    file.write(without_secrets(draw(report)).encode())
    for remark in report.remarks:
        note(f"{safe(options.file)}: {safe(remark)}")
    note(f"wrote {safe(options.output or '')}: {safe(headline(report))}")
    return 0


def _report(name: str) -> Report:
    if name == "-":
        return _of_lines(sys.stdin.buffer, "standard input")
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - a pipe is read, too
            if not _is_database(file):
                return _of_lines(file, name)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read ({error.strerror}): name a journal, or a file of lines") from None
    from .._report.journal import report_of as report_of_journal  # noqa: PLC0415 - lines need none of it
    from .._watching.reading import copy_of  # noqa: PLC0415 - as above

    try:
        copy = copy_of(name)
    except JournalError as error:
        raise ConfigError(str(error)) from None
    return report_of_journal(copy.api, copy.records, copy.changes)


def _is_database(file: BinaryIO) -> bool:
    from .._watching.reading import MAGIC  # noqa: PLC0415 - as above

    peek = getattr(file, "peek", None)
    return peek is not None and bytes(peek(len(MAGIC)))[: len(MAGIC)] == MAGIC


def _of_lines(file: BinaryIO, name: str) -> Report:
    try:
        report = report_of(file)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    if not report.jobs:
        raise ConfigError(f"{name} holds no line about a job: give what jobwatch wait --json printed, or a journal")
    return report
