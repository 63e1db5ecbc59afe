"""Where the texts send a reader: every path, link and module that they name is there."""

from __future__ import annotations

import importlib.util
import re
import tomllib

import pytest

from .documents import DOCUMENTS, ROOT, text_of

READ = [*DOCUMENTS, "tests/README.md"]
CONTRIBUTING = text_of(".github/CONTRIBUTING.md")
_PATH = re.compile(r"`((?:\.ci|\.github|benchmarks|findings|jobwatch|tests)/[\w./-]*)`")
_FILE = re.compile(r"`(\w+\.(?:py|toml|sh))`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_MODULE = re.compile(r"python -m ([a-z_][\w.]*)")


def anchors(document: str) -> set[str]:
    """Return the names by which the headings of a document can be linked."""
    headings = re.findall(r"^#+ (.*)$", text_of(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", READ)
def test_every_path_is_there(document: str) -> None:
    paths = [path for path in _PATH.findall(text_of(document)) if not re.search(r"[A-Z]{4}(?<!READ)", path)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if each.startswith("jobwatch/_")])
def test_every_file_beside_it_is_there(document: str) -> None:
    folder = (ROOT / document).parent
    assert [name for name in _FILE.findall(text_of(document)) if not (folder / name).exists()] == []


@pytest.mark.parametrize("document", READ)
def test_every_link_within_the_project_leads_somewhere(document: str) -> None:
    folder = (ROOT / document).parent
    for link in _LINK.findall(text_of(document)):
        target, _, anchor = link.partition("#")
        if re.match(r"https?:", link):
            continue
        assert not target or (folder / target).exists(), link
        if anchor:
            assert anchor in anchors(document if not target else str((folder / target).resolve().relative_to(ROOT))), (
                link
            )


@pytest.mark.parametrize("document", READ)
def test_every_module_that_is_run_is_there(document: str) -> None:
    extras = tomllib.loads(text_of("pyproject.toml"))["project"]["optional-dependencies"]
    of_extras = {re.split(r"\W", each)[0] for extra in extras.values() for each in extra}  # of which not all are there
    wanted = {name.rstrip(".") for name in _MODULE.findall(text_of(document))} - {"venv"} - of_extras
    assert [name for name in sorted(wanted) if importlib.util.find_spec(name) is None] == []


def test_the_fast_loop_leaves_out_what_a_marker_names() -> None:
    options = tomllib.loads(text_of("pyproject.toml"))["tool"]["pytest"]["ini_options"]
    (marker,) = set(re.findall(r'-m "not (\w+)"', CONTRIBUTING))
    assert any(each.startswith(f"{marker}:") for each in options["markers"])


def test_each_change_has_a_file_to_open_and_a_test() -> None:
    table = CONTRIBUTING[CONTRIBUTING.index("| to change | open | tests |") : CONTRIBUTING.index("## Add an API")]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \|$", table, re.MULTILINE)[1:]
    assert len(rows) >= 25
    for change, opened, tested in rows:
        assert _PATH.search(opened), change
        assert all(path.startswith("jobwatch/") for path in _PATH.findall(opened)), change
        assert _PATH.search(tested), change
        assert all(path.startswith("tests/") for path in _PATH.findall(tested)), change


def test_what_is_named_in_the_steps_is_there() -> None:
    for name, path in re.findall(r"`(_?[A-Z][A-Za-z_]+)`(?: in `([\w/.]+)`)", CONTRIBUTING):
        assert re.search(rf"^(?:class )?{name}\b", text_of(path), re.MULTILINE), name
