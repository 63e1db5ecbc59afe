"""What the README and the texts in the folders show: their Python is run as it stands, against the embedded server."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

import jobwatch
from jobwatch.cli._docs import pages
from jobwatch.cli._exit_codes import MEANINGS, PRECEDENCE, USAGE, code_of, code_of_error
from jobwatch.testing import JobServer

from .documents import DOCUMENTS, ROOT, Block, blocks, text_of

README = text_of("README.md")
BLOCKS = blocks("python")
TESTS = [block for block in BLOCKS if "async def test_" in block.text]
SERVICES = [block for block in BLOCKS if "def service(" in block.text]  # run by the tests of webhooks
LOADED = [block for block in BLOCKS if "load_api(" in block.text]  # run by the tests of tables
# The source for AWS is run by tests/apis/test_source_of_aws.py.
SOURCES = [block for block in BLOCKS if block.text.startswith("# aws_jobs.py")]
ENDPOINTS = [block for block in BLOCKS if "FastAPI(" in block.text]  # run by tests/test_fastapi.py
AGENTS = [block for block in BLOCKS if block.document == "jobwatch/apis/AGENTS.md"]  # run by the tests of that page
SYNC = [block for block in BLOCKS if block.document == "jobwatch/_sync/README.md"]  # run by tests/sync/test_docs.py
ON_NATS = [block for block in BLOCKS if block.document == "jobwatch/nats/README.md"]  # run by tests/nats/test_docs.py
# Those for other engines are run by tests/core/test_engines.py, and the DAG in Airflow itself, by tests/real_servers.
ENGINES = [block for block in BLOCKS if block.document in ("jobwatch/_core/ENGINES.md", "jobwatch/airflow/README.md")]
ELSEWHERE = [*TESTS, *SERVICES, *LOADED, *SOURCES, *AGENTS, *ENDPOINTS, *SYNC, *ON_NATS, *ENGINES]
PROGRAMS = [block for block in BLOCKS if block not in ELSEWHERE]

HEAD = """\
import asyncio
import os

import msgspec

import jobwatch


async def main():
"""
GIVEN = {
    "client.": 'async with jobwatch.Client("bedrock") as client:\n',
    "app.router": (
        "from aiohttp import web\n"
        "app = web.Application()\n"
        'async with jobwatch.Client("capydb") as client, jobwatch.Watcher(client) as watcher:\n'
    ),
}
"""What stands around a block that is the inside of a ``main()``, by something that only such a block uses."""

AFTER = {"app.router": "print(*(route.method for route in app.router.routes()))\n"}

EXPECTED = {
    "every state, once": r"(?s).*PENDING\n.*RUNNING\n.*COMPLETED\nCOMPLETED None\n",
    "durations.json": (
        r"(?s)\[\('completed', 1\), \('completed', 1\)\]\n(?=.*job_1 ran [\d.e-]+ s)(?=.*job_2 ran)"
        r"(?=.*job_3 failed: disk full\n).*"
    ),
    "change.kind.value": (
        r"(?s).*job_01JABCD123 state PENDING None None\n.*job_01JABCD123 state RUNNING None None\n"
        r".*job_01JABCD123 end COMPLETED None Outcome.SUCCEEDED\njob_01JABCD123 has ended: COMPLETED\n"
    ),
    "jobwatch.WatchPage": (
        r"http://127\.0\.0\.1:\d+/#enter=[\w-]+\n"
        r"job_01JABCD123 PENDING\njob_01JABCD123 RUNNING\njob_01JABCD123 COMPLETED\n"
    ),
    "match change.kind": (
        r"(?s).*PENDING\n.*RUNNING\njob_01JABCD123 Outcome.SUCCEEDED None\n<WatchedJob job_01JABCD123: .*>\n"
    ),
    "result=Restored": r"3 1\n28\n",
    "client.stats": r"2 looks by 2 requests; 0 spared by lists\n\{\}\nends known .* s at most\n",
    "otel.instrument": r"",
    "app.router": r"POST\n",
    "while watched.outcome": r"PENDING\nRUNNING\nCOMPLETED\n",
    "client.look(client.watched": r"\['PENDING'(, 'RUNNING'(, 'COMPLETED')?)?\] (None [\d.]+|Outcome.SUCCEEDED None)\n",
}
"""What a program prints, by something that stands in it alone."""

AGAIN = {
    "change.kind.value": r"job_01JABCD123 has ended: COMPLETED\n",
    "match change.kind": r"<WatchedJob job_01JABCD123: COMPLETED .*>\n",
}
"""What one prints that is run a second time in the same folder, where that is something else."""


def program(block: Block) -> str:
    """Return a block as a program."""
    if "asyncio.run(" in block.text:
        return block.text
    mark = next((mark for mark in GIVEN if mark in block.text and "jobwatch.Client(" not in block.text), None)
    inside = block.text if mark is None else GIVEN[mark] + textwrap.indent(block.text, "    ") + AFTER.get(mark, "")
    return f"{HEAD}{textwrap.indent(inside, '    ')}\n\nasyncio.run(main())\n"


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("block", PROGRAMS, ids=str)
async def test_program(block: Block, job_server: JobServer, tmp_path: Path) -> None:
    job_server.add("bedrock", "job_01JABCD123", [("PENDING", 0), ("RUNNING", 0.01), ("COMPLETED", 0.02)])
    for job_id in ("job_1", "job_2"):
        steps = [("pending", 0), ("running", 0), ("completed", 0)]
        job_server.add("capydb", job_id, steps, project_id="prj_1", result={"tables": 3})
    job_server.add("capydb", "job_3", [("running", 0), ("failed", 0)], error="disk full", exit_code=28)
    variables = {
        f"{api.upper()}_API_{what}": value
        for api in ("bedrock", "capydb")
        for what, value in (("URL", job_server.url_of(api)), ("KEY", str(job_server.token)))
    }
    (mark,) = [mark for mark in EXPECTED if mark in block.text]
    for expected in filter(None, (EXPECTED[mark], AGAIN.get(mark))):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", "-c", program(block)),
            cwd=tmp_path,
            env={**os.environ, **variables, "CAPYDB_WEBHOOK_SECRET": "whsec_0123456789"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode, err.decode()) == (0, "")
        assert re.fullmatch(expected, out.decode()), out.decode()


@pytest.mark.slow(in_sample=True)
@pytest.mark.parametrize("block", TESTS, ids=str)
def test_the_example_test_passes(block: Block, tmp_path: Path) -> None:
    test = tmp_path / "test_example.py"
    test.write_text(block.text, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_all_texts_are_known_here_and_each_kind_of_python_is_run() -> None:
    found = {
        str(path.relative_to(ROOT)) for folder in ("jobwatch", "benchmarks") for path in (ROOT / folder).rglob("*.md")
    }
    assert found | {"README.md", ".github/CONTRIBUTING.md"} == set(DOCUMENTS)
    fences = {line for document in DOCUMENTS for line in text_of(document).splitlines() if line.startswith("```")}
    of_ci = {"```yaml", "```groovy"}  # run by the tests of that page
    assert fences <= {"```", "```python", "```toml", "```console", "```json"} | of_ci
    assert (len(TESTS), len(SERVICES), len(LOADED), len(ENDPOINTS)) == (2, 1, 2, 1)


# --- errors and exit codes -------------------------------------------------------------------------------------


def tree() -> dict[str, int | None]:
    """Return the errors in the README's tree, each with its exit code."""
    (shown,) = [block.text for block in blocks("", "README.md") if block.text.startswith("JobwatchError")]
    rows = [re.fullmatch(r"[│├└─ ]*(\w+)(?:  .*?)??(?: +(\d+|exit code))?", line) for line in shown.splitlines()]
    assert all(rows), shown
    return {row[1]: int(row[2]) if (row[2] or "").isdigit() else None for row in rows if row is not None}


def test_every_public_error_is_in_the_tree_it_shows() -> None:
    errors = {
        name
        for name in jobwatch.__all__
        if isinstance(found := getattr(jobwatch, name), type) and issubclass(found, Exception)
    }
    assert errors
    assert set(tree()) == errors


def test_the_exit_codes_in_the_tree_are_those_of_the_command_line() -> None:
    codes = tree()
    fault = jobwatch.Fault(jobwatch.FaultKind.UNREACHABLE, "down")
    looks = {name: getattr(jobwatch, name) for name in codes}
    for name, error in looks.items():
        if issubclass(error, jobwatch.LookError) and error is not jobwatch.LookError:
            assert codes[name] == code_of_error(error(fault)), name
    ends = {
        "JobFailed": jobwatch.Outcome.FAILED,
        "JobPartiallyFailed": jobwatch.Outcome.PARTIAL,
        "JobOutcomeUnknown": jobwatch.Outcome.FINISHED,
        "JobBlocked": jobwatch.Outcome.BLOCKED,
        "JobCancelled": jobwatch.Outcome.CANCELLED,
        "WaitTimeout": jobwatch.Outcome.TIMEOUT,
    }
    assert {name: codes[name] for name in ends} == {name: code_of(outcome) for name, outcome in ends.items()}
    assert codes["ConfigError"] == USAGE
    assert {name for name, code in codes.items() if code is None} == {
        "JobwatchError",
        "LookError",
        "JobEnded",
        "ResultMismatch",
        "JournalError",
    }


@pytest.mark.parametrize("document", ["README.md", "jobwatch/cli/README.md"])
def test_the_order_of_exit_codes_is_that_of_the_command_line(document: str) -> None:
    assert f"the first of {', '.join(map(str, PRECEDENCE))} that" in re.sub(r"\s+", " ", text_of(document))


def test_the_exit_codes_in_text_and_help_are_those_of_the_command_line() -> None:
    table = re.findall(r"^\| (\d+) \| (.*) \|$", text_of("jobwatch/cli/README.md"), re.MULTILINE)
    help_text = subprocess.run(
        [sys.executable, "-m", "jobwatch", "wait", "--help"], capture_output=True, text=True, check=True
    ).stdout
    shown = re.findall(r"^ +(\d+)  (.*)$", help_text[help_text.index("exit codes:") :], re.MULTILINE)
    meanings = {str(code): meaning for code, meaning in MEANINGS.items()}
    assert dict(table) == dict(shown) == meanings
    assert set(map(code_of, jobwatch.Outcome)) < set(MEANINGS)
    assert f"the first of {', '.join(map(str, PRECEDENCE))} that occurred" in help_text


# --- the rest of the README ------------------------------------------------------------------------------------


def test_it_stays_short() -> None:
    assert len(README.splitlines()) <= 250


def test_the_knobs_it_shows_are_the_defaults() -> None:
    (shown,) = re.findall(r"jobwatch\.Pace\(([^)]*)\)", README)
    knobs = dict(each.split("=") for each in shown.split(", "))
    assert {name: float(value) for name, value in knobs.items()} == {
        name: getattr(jobwatch.Pace(), name) for name in jobwatch.Pace.__struct_fields__
    }


def test_every_dependency_earns_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras: dict[str, list[str]] = {"": project["dependencies"], **project["optional-dependencies"]}
    section = README[README.index("## What it is built on") :]
    for extra, wanted in extras.items():
        told = f"(extra `{extra}`)" if extra else "| aiohttp, "
        (row,) = [line for line in section.splitlines() if told in line and line.startswith("| ")]
        for name in (re.split(r"[><=\[]", each)[0] for each in wanted):
            assert name == "jobwatch-client" or re.search(rf"[ ,|]{name}[ ,]", row), name


def test_how_it_is_built_names_each_folder_once() -> None:
    section = README[README.index("## How it is built") :]
    (picture,) = [block.text for block in blocks("", "README.md") if "_engine/" in block.text]
    folders = sorted(path.parent.name for path in (ROOT / "jobwatch").glob("*/__init__.py"))
    assert sorted(re.findall(r"(?<!\w)(\w+)/(?= )", picture)) == folders
    assert picture in section


def test_the_glossary_has_the_ten_words() -> None:
    section = README[README.index("| word | meaning |") :]
    words = re.findall(r"(?:^|\| )([a-z]+) \| [a-z]", section.replace("| word | meaning | word | meaning |", ""))
    assert sorted(words) == sorted(
        ["job", "status", "phase", "event", "transition", "look", "fault", "pace", "watch", "journal"]
    )


def test_a_look_is_defined_where_the_word_is_first_used() -> None:
    first = README[README.index("look") - len("A *") :]
    assert first.startswith("A *look* is one request for a job's state.")


def test_on_an_index_page_no_link_leads_nowhere() -> None:
    links = re.findall(r"\]\(([^)]*)\)", README)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.mark.parametrize("page", sorted(set(re.findall(r"jobwatch docs (\w+)", README))))
def test_a_page_that_it_names_comes_with_the_package(page: str) -> None:
    assert page in pages()
