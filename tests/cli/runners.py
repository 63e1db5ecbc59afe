"""What CI systems make of the lines of a log: the commands that they obey, as their own sources and pages say."""

from __future__ import annotations

import re

from msgspec import Struct


class Obeyed(Struct, frozen=True):
    """A command that a runner obeys."""

    by: str
    name: str
    properties: dict[str, str] = {}
    data: str = ""


# GitHub's runner trims a line and reads "::name key=value,key=value::data"; it reads "##[name ...]data", too, wherever
# that stands in the line (actions/runner, src/Runner.Common/ActionCommand.cs).
_GITHUB = re.compile(r"\s*::(?P<name>[^: ]+)(?: (?P<properties>[^:]*))?::(?P<data>.*)", re.DOTALL)
_GITHUB_OLD = re.compile(r"##\[(?P<name>[^\] ]+)(?: (?P<properties>[^\]]*))?\](?P<data>.*)", re.DOTALL)
# Azure's agent looks for "##vso[" wherever it stands (microsoft/azure-pipelines-agent, Command.cs).
_AZURE = re.compile(r"##vso\[(?P<name>[^\] ]+)(?: (?P<properties>[^\]]*))?\](?P<data>.*)", re.DOTALL)
_AZURE_LOOK = re.compile(r"##\[\w+\]")
_BUILDKITE = re.compile(r"(?:---|\+\+\+|~~~|\^\^\^) ")
_GITLAB = re.compile(r"section_(?:start|end):\d+:[\w.-]+(?:\[[^\]]*\])?\r\x1b\[0K")
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


def obeyed(log: str) -> list[Obeyed]:
    """Return everything in a log that any of the CI systems would obey, or be steered by."""
    found = [Obeyed("GitLab", match[0]) for match in _GITLAB.finditer(log)]
    if "\x1b" in log or "\x9b" in log or "\b" in log:
        found.append(Obeyed("a terminal", "an escape sequence"))
    for line in _LINE_ENDS.split(log):
        if match := _GITHUB.fullmatch(line):
            found.append(Obeyed("GitHub", match["name"], _github(match["properties"]), _undone(match["data"], "%25")))
        if match := _GITHUB_OLD.search(line):
            found.append(Obeyed("GitHub", match["name"], {}, match["data"]))
        if match := _AZURE.search(line):
            properties = dict(part.split("=", 1) for part in (match["properties"] or "").split(";") if "=" in part)
            found.append(Obeyed("Azure", match["name"], properties, _undone(match["data"], "%AZP25")))
        if match := _AZURE_LOOK.search(line):
            found.append(Obeyed("Azure", match[0]))
        if match := _BUILDKITE.match(line):
            found.append(Obeyed("Buildkite", match[0]))
    return found


def _github(properties: str | None) -> dict[str, str]:
    parts = (part.split("=", 1) for part in (properties or "").split(",") if "=" in part)
    return {name.strip(): _undone(value, "%25") for name, value in parts}


def _undone(text: str, percent: str) -> str:
    for escaped, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%3B", ";"), ("%5D", "]")):
        text = text.replace(escaped, char)
    return text.replace(percent, "%")


def github_outputs(text: str) -> dict[str, str]:
    """Read a file that ``GITHUB_OUTPUT`` names as the runner does (actions/runner, FileCommandManager.cs)."""
    lines, found = iter(text.split("\n")), {}
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, value = line.partition("=")
            found[name] = value
        else:
            name, _, mark = line.partition("<<")
            value_lines: list[str] = []
            for part in lines:
                if part == mark:
                    break
                value_lines.append(part)
            else:
                raise AssertionError(f"{name} has no end")
            found[name] = "\n".join(value_lines)
    return found
