"""The entries of the built-in APIs in their README, made from the tables.

``python -m tests.project.built_in`` writes them there; a test compares.
"""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
from typing import Any

from jobwatch import JobAPI
from jobwatch.apis import APIS, GROUPS

from .documents import ROOT, text_of

DOCUMENT = "jobwatch/apis/README.md"
FOLDER = ROOT / "jobwatch" / "apis"
BEGIN = "<!-- made from the tables by python -m tests.project.built_in -->"
END = "<!-- until here -->"

_MARK = re.compile(r"(From documents|Tried with [^.]+(?:\.\d+)*)[.,].*", re.DOTALL)


def section() -> str:
    """Return all entries, group by group."""
    parts = [f"### {group}\n\n" + "\n".join(map(entry, names)) for group, names in GROUPS.items()]
    return f"{BEGIN}\n\n" + "\n".join(parts) + f"\n{END}\n"


def entry(name: str) -> str:
    """Return the entry of one API: what it is, page, mark, token, address, a command, and what its words mean."""
    api, file = APIS[name], FOLDER / f"{name}.toml"
    table = tomllib.loads(file.read_text("utf-8")) if file.exists() else {}
    about, mark = _comment(file.read_text("utf-8")) if file.exists() else _docstring(name)
    facts = [f"[its page]({api.docs})", mark, _token(api), _address(api)]
    lines = [f"* **`{name}`**: {about}", f"`{_command(api)}`", " · ".join(facts)]
    if words := _words(table):
        lines.append(words)
    return (
        "\n".join(
            textwrap.fill(line, 120, initial_indent="" if number == 0 else "  ", subsequent_indent="  ", **_WHOLE) + end
            for number, (line, end) in enumerate(zip(lines, [*["\\"] * (len(lines) - 1), ""], strict=True))
        )
        + "\n"
    )


_WHOLE: Any = {"break_long_words": False, "break_on_hyphens": False}


def _comment(text: str) -> tuple[str, str]:
    """Return what the comment at a table's beginning says of the API, and whether the table was tried."""
    comment = " ".join(line.removeprefix("# ") for line in text.partition("\ndocs = ")[0].splitlines())
    found = _MARK.search(comment)
    assert found is not None, comment
    mark = found[1][0].lower() + found[1][1:]
    return comment[: found.start()].strip(), f"{mark}, 2026-11" if mark == "from documents" else mark


def _docstring(name: str) -> tuple[str, str]:
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    return text.removeprefix('"""').partition("\n")[0], "from documents"


def _token(api: JobAPI) -> str:
    if not api.token_variable:
        return "no token"
    file = f", or the path of its file in `{api.token_file_variable}`" if api.token_file_variable else ""
    return f"token in `{api.token_variable}`{file}" + (", or none" if api.token_is_optional else "")


def _address(api: JobAPI) -> str:
    variable = f"`{api.base_url_variable}`" if api.base_url_variable else ""
    if not api.base_url:
        return f"address in {variable}"
    return f"at `{api.base_url}`" + (f", or {variable}" if variable else "")


def _command(api: JobAPI) -> str:
    job = "URL" if api.job_path == "{url}" else "ID"
    wanted = [f" --param {name}=..." for name, default in api.params.items() if default is None]
    offered = [f" [--param {name}={default or '...'}]" for name, default in api.params.items() if default is not None]
    return f"jobwatch wait {job} --api {api.name}{''.join(wanted + offered)}"


def _words(table: dict[str, Any]) -> str:
    """Return what each word means, and each HTTP status that is a state."""
    phases: dict[str, list[str]] = {}
    for phase, words in table.get("words", {}).items():
        phases.setdefault(phase, []).extend(f"`{_shown(word)}`" for word in words if word != "absent")
    for status, phase in table.get("http", {}).items():
        phases.setdefault(phase, []).append(f"HTTP {status}")
    return " · ".join(f"{phase}: {' '.join(words)}" for phase, words in phases.items() if words)


def _shown(word: object) -> str:
    return str(word).lower() if isinstance(word, bool) else str(word)


def written() -> str:
    """Return the README with the entries in their place."""
    text = text_of(DOCUMENT)
    return text[: text.index(BEGIN)] + section() + text[text.index(END) + len(END) + 1 :]


if __name__ == "__main__":
    (ROOT / DOCUMENT).write_text(written(), "utf-8")
    sys.stdout.write(f"{DOCUMENT}: {len(APIS)} entries\n")
