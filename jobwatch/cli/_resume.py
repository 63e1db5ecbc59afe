"""The command that goes on with a wait that was stopped. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from .._http.secrets import is_secret_name
from .._reading.periods import UNITS

HIDDEN = "..."
"""What stands for a value that may be a secret, or hold one."""

_DURATIONS = frozenset(
    {"timeout", "unreachable_after", "appear_within", "stable_for", "min_interval", "max_interval", "poll_cost"}
    | {"request_timeout"}
)
_SECRET = frozenset({"token_command", "header", "headers"})
_NO_OPTIONS = frozenset({"command", "jobs", "debug", "verbose"})


def command(given: Mapping[str, object], usual: Mapping[str, object], jobs: Iterable[str]) -> str:
    """Return the command that waits for jobs with the same options, quoted for a shell.

    Args:
        given: The options as they were read, by their names in Python.
        usual: What each is when it is not given.
        jobs: The jobs that are still to be waited for, as they are to be given.

    Returns:
        The command. For a value that may hold a secret it has `HIDDEN`: logs are read by others.
    """
    words = ["jobwatch", "wait"]
    ids = list(jobs)
    if any(job.startswith("-") for job in ids):
        ids.insert(0, "--")
    for name, value in given.items():
        if name in _NO_OPTIONS or name.startswith("_") or value == usual.get(name) or value in (None, (), []):
            continue
        words += _words(name, value)
    return shlex.join(words + ids)


def _words(name: str, value: object) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    match value:
        case True:
            return [option]
        case list() | tuple():
            several = cast("Sequence[object]", value)
            if name in ("accept", "fail_on"):
                return [option, ",".join(map(str, several))]
            return [word for each in several for word in _given(option, _text(name, each))]
        case _:
            return _given(option, _text(name, value))


def _given(option: str, text: str) -> list[str]:
    return [f"{option}={text}"] if text.startswith("-") else [option, text]


def _text(name: str, value: object) -> str:
    text = str(value)
    if name in _SECRET:
        return HIDDEN
    if name == "param" and is_secret_name(text.partition("=")[0]):
        return f"{text.partition('=')[0]}={HIDDEN}"
    if "://" in text and "@" in text:
        return HIDDEN  # a proxy, say, with a user and a password
    return duration_text(value) if name in _DURATIONS and isinstance(value, float) else text


def duration_text(seconds: float) -> str:
    """Return a duration as the options read it: ``1h30m``, ``250ms``."""
    left = round(seconds * 1000.0)
    parts: list[str] = []
    for unit, length in UNITS.items():
        count, left = divmod(left, round(length * 1000.0))
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"
