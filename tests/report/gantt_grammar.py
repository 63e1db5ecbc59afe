"""The part of Mermaid's gantt language that jobwatch writes, read strictly: what is not of it is an error.

It knows what the real one does to names (seen with 11.17.2): a line whose first word is one of the language's is not a
task, a name ends at its first colon, ``#...;`` is a character, ``;`` ends a statement, ``%%`` begins a remark.
"""

from __future__ import annotations

import re

from msgspec import Struct

_WORDS = (
    *("gantt", "dateformat", "axisformat", "tickinterval", "title", "section", "excludes", "includes", "todaymarker"),
    *("topaxis", "inclusiveenddates", "weekday", "weekend", "click", "acctitle", "accdescr", "displaymode"),
)
_INIT = re.compile(r'%%\{init: \{"gantt": \{"leftPadding": (\d{2,3})\}\}\}%%')
_TASK = re.compile(r"    ([^:;#%\n]+?) :((?:(?:done|active|crit|milestone), )*)(\d{12,14}), (\d{12,14})")
_SECTION = re.compile(r"    section ([^:;#%\n]+)")


class Task(Struct, frozen=True):
    """A bar: its name, its tags, and from when to when it lasts in milliseconds."""

    name: str
    tags: tuple[str, ...]
    begins: int
    ends: int


def parsed(text: str) -> dict[str, list[Task]]:
    """Return the tasks of each section.

    Raises:
        ValueError: A line is not of the language, or would be drawn wrongly.
    """
    init, kind, *lines = text.removesuffix("\n").split("\n")
    if not _INIT.fullmatch(init) or kind != "gantt" or len(text) > 50_000:
        raise ValueError(f"no gantt chart: {init}, {kind}, {len(text)} characters")
    if lines[0] != "    dateFormat x" or not re.fullmatch(r"    axisFormat (?:%[HMSLdb][:. ]?)+", lines[1]):
        raise ValueError(f"formats: {lines[:2]}")
    sections: dict[str, list[Task]] = {}
    here: list[Task] | None = None
    for line in lines[2:]:
        if section := _SECTION.fullmatch(line):
            if section[1] in sections:
                raise ValueError(f"two sections of one name: {line!r}")
            here = sections[_name(section[1])] = []
        elif (task := _TASK.fullmatch(line)) and here is not None:
            tags = tuple(filter(None, task[2].split(", ")))
            here.append(Task(_name(task[1]), tags, int(task[3]), int(task[4])))
        else:
            raise ValueError(f"no task: {line!r}")
    if not sections or not all(sections.values()):
        raise ValueError("a section without tasks")
    if any(task.ends <= task.begins for tasks in sections.values() for task in tasks):
        raise ValueError("a bar without a width")
    return sections


def _name(name: str) -> str:
    if name.strip().lower().startswith(_WORDS) or not name.isprintable() or name != name.strip():
        raise ValueError(f"a name that Mermaid would not show: {name!r}")
    return name
