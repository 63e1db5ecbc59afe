"""The files that are made of a wait, and the commands `timeline` and `stats`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from jobwatch.cli import _output, _wait, main
from jobwatch.cli._run import Run
from jobwatch.testing import JobServer

OPTIONS = ("--api", "bedrock", "--no-history", "--min-interval", "0.02", "--max-interval", "0.05")
DATA = Path(__file__).parents[1] / "watching" / "data"
MIB = 1024 * 1024


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, job_server: JobServer, tmp_path: Path) -> Path:
    """Return an empty folder, which is the current one, with an environment in which Bedrock is the job server."""
    monkeypatch.setenv("BEDROCK_API_KEY", str(job_server.token))
    monkeypatch.setenv("BEDROCK_API_URL", job_server.url_of("bedrock"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr(_output, "_secrets", set())
    monkeypatch.chdir(tmp_path)
    job_server.add("bedrock", "job_1", ["PENDING", "RUNNING", "COMPLETED"])
    job_server.add("bedrock", "job_2", ["PENDING", "RUNNING", "FAILED"], error="disk full")
    job_server.add("bedrock", "job_3", ["PENDING", "RUNNING"])
    return tmp_path


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Return the step summary of GitHub Actions."""
    path = folder / "step_summary"
    path.touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


async def wait(*arguments: str) -> int:
    return await asyncio.to_thread(main, ["wait", *OPTIONS, *arguments])


ALL = ("--summary", "s.md", "--timeline", "t.svg", "--junit", "j.xml")


async def test_all_files_are_written_at_the_end_and_nothing_else(folder: Path) -> None:
    assert await wait("job_1", "job_2", *ALL) == 1
    assert sorted(each.name for each in folder.iterdir()) == ["j.xml", "s.md", "t.svg"]
    assert "| ❌ | <code>job_2</code> | failed |" in (folder / "s.md").read_text("utf-8")
    assert "2 jobs on bedrock: 1 succeeded, 1 failed" in (folder / "t.svg").read_text("utf-8")
    cases = ET.parse(folder / "j.xml").iter("testcase")
    assert {case.get("name"): [child.tag for child in case] for case in cases} == {
        "job_1": ["system-out"],
        "job_2": ["failure"],
    }


async def test_a_page_is_written_where_the_name_asks_for_one(folder: Path) -> None:
    assert await wait("job_1", "--timeline", "T.HTML") == 0
    assert (folder / "T.HTML").read_text("utf-8").startswith("<!doctype html>")


async def test_after_a_time_limit_the_job_is_one_that_goes_on(folder: Path) -> None:
    assert await wait("job_3", "--timeout", "0.1", *ALL) == 6
    assert "time limit over" in (folder / "t.svg").read_text("utf-8")
    (case,) = ET.parse(folder / "j.xml").iter("testcase")
    assert [(child.tag, child.get("type")) for child in case] == [("error", "timeout")]
    assert "goes on" in (folder / "s.md").read_text("utf-8")


def test_after_a_signal_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEDROCK_API_URL", "http://127.0.0.1:9")

    class Stopping(Run):
        async def follow(self) -> None:
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
            await super().follow()

    monkeypatch.setattr(_wait, "Run", Stopping)
    assert main(["wait", "job_1", *ALL, *OPTIONS]) == 143
    (case,) = ET.parse(folder / "j.xml").iter("testcase")
    assert [(child.tag, child.get("type")) for child in case] == [("error", "interrupted")]
    assert (folder / "s.md").exists()
    assert (folder / "t.svg").exists()


async def test_what_the_job_wrote_last_is_in_the_test_results(
    folder: Path, job_server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPYDB_API_KEY", str(job_server.token))
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    job_server.add(
        "capydb",
        "job_6",
        ["running", "failed"],
        stdout="out",
        stderr="\n".join(f"line {n}" for n in range(30)),
    )
    assert await wait("job_6", "--api", "capydb", "--junit", "j.xml") == 1
    (failure,) = ET.parse(folder / "j.xml").iter("failure")
    told = (failure.text or "").splitlines()
    assert told[told.index("line 10") :] == [f"line {n}" for n in range(10, 30)]
    assert "line 9" not in told


async def test_a_job_whose_end_nobody_waited_for_is_skipped(folder: Path) -> None:
    assert await wait("job_1", "job_3", "--any", "--junit", "j.xml") == 0
    cases = ET.parse(folder / "j.xml").iter("testcase")
    assert {case.get("name"): [child.tag for child in case] for case in cases} == {
        "job_1": ["system-out"],
        "job_3": ["skipped"],
    }


async def test_an_end_that_is_accepted_is_no_failure(folder: Path) -> None:
    assert await wait("job_2", "--accept", "failed", "--junit", "j.xml") == 0
    (case,) = ET.parse(folder / "j.xml").iter("testcase")
    assert [child.tag for child in case] == ["system-out"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--timeline", "none/t.svg"),
            "--timeline none/t.svg cannot be written (No such file or directory): name a file",
        ),
        (("--junit", "."), "--junit . cannot be written (it is a folder)"),
        (("--summary", "none/s.md"), "--summary none/s.md cannot be written"),
        (("--timeline", "t.png"), "--timeline t.png: the file's name must end with .svg or .html"),
        (("--junit", "a.svg", "--timeline", "./a.svg"), "--timeline and --junit name the same file: name two"),
    ],
)
async def test_what_could_not_be_written_is_an_error_before_anything_is_asked(
    folder: Path, job_server: JobServer, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    assert await wait("job_1", *arguments) == 2
    assert told in capsys.readouterr().err
    assert job_server.requests == []
    assert list(folder.iterdir()) == []


async def test_a_parser_that_is_not_installed_is_an_error_beforehand_that_says_how(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "junitparser", None)
    monkeypatch.delitem(sys.modules, "jobwatch._report.junit", raising=False)
    assert await wait("job_1", "--junit", "j.xml") == 2
    assert "--junit needs junitparser: pip install 'jobwatch-client[cli]'" in capsys.readouterr().err


async def test_a_file_that_cannot_be_written_at_the_end_is_a_note_and_the_exit_code_stays(
    folder: Path, job_server: JobServer, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "gone").mkdir()
    job = job_server.add("bedrock", "job_4", ["PENDING"])
    waiting = asyncio.create_task(wait("job_4", "--junit", "gone/j.xml", "--summary", "s.md"))
    while not job_server.requests:  # noqa: ASYNC110 - the server rings no bell
        await asyncio.sleep(0.001)
    (folder / "gone").rmdir()
    job.advance("COMPLETED")
    assert await waiting == 0
    assert "jobwatch: --junit gone/j.xml could not be written: No such file or directory" in capsys.readouterr().err
    assert (folder / "s.md").exists()


async def test_secrets_are_in_none_of_the_files_also_where_a_text_is_cut(
    folder: Path, job_server: JobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_server.token = "canary|0123456789"
    monkeypatch.setenv("BEDROCK_API_KEY", job_server.token)
    told = f"refused {job_server.token} and {job_server.token.upper()} {'x' * 80} {job_server.token} {'y' * 500}"
    job_server.add("bedrock", "job_5", ["RUNNING", "FAILED"], error=told)
    assert await wait("job_5", *ALL) == 1
    assert await wait("job_5", "--timeline", "t.html") == 1
    for path in folder.iterdir():
        text = path.read_text("utf-8").lower()
        assert "refused" in text
        assert "canary" not in text


# --- GitHub's step summary ----------------------------------------------------------------------------------------


async def test_on_github_the_summary_is_added_to_what_the_step_has(step: Path) -> None:
    step.write_text("# before", "utf-8")
    assert await wait("job_1") == 0
    assert await wait("job_2") == 1
    text = step.read_text("utf-8")
    assert text.startswith("# before\n### 1 job on bedrock: succeeded\n")
    assert "\n### 1 job on bedrock: failed\n" in text


async def test_it_is_added_once_where_the_option_names_it_too_and_elsewhere_besides(step: Path, folder: Path) -> None:
    assert await wait("job_1", "--summary", str(step)) == 0
    assert step.read_text("utf-8").count("###") == 1
    assert await wait("job_1", "--summary", "s.md") == 0
    assert step.read_text("utf-8").count("###") == 2
    assert (folder / "s.md").read_text("utf-8").count("###") == 1


async def test_nothing_is_added_where_that_is_not_wanted_or_it_is_not_github(
    step: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await wait("job_1", "--no-summary") == 0
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    assert await wait("job_1") == 0
    assert step.read_text("utf-8") == ""


@pytest.mark.parametrize("free", [0, 1, 30, 400, 5000])
async def test_a_step_summary_never_grows_beyond_what_github_takes(
    step: Path, capsys: pytest.CaptureFixture[str], free: int
) -> None:
    step.write_bytes(b"x" * (MIB - free))
    assert await wait("job_2") == 1
    size = step.stat().st_size
    assert size <= MIB
    assert (size == MIB - free) == (free < 100)
    assert ("the step summary is left out" in capsys.readouterr().err) == (free < 100)


async def test_a_step_summary_that_cannot_be_written_is_a_note(step: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step.unlink()
    step.mkdir()
    assert await wait("job_1") == 0
    assert "jobwatch: the step summary could not be written: Is a directory" in capsys.readouterr().err


# --- timeline and stats -------------------------------------------------------------------------------------------


async def test_a_timeline_of_lines_is_that_of_the_wait(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await wait("job_1", "job_2", "--json") == 1
    (folder / "lines.jsonl").write_text(capsys.readouterr().out, "utf-8")
    assert main(["timeline", "lines.jsonl", "-o", "t.svg"]) == 0
    assert capsys.readouterr().err == "jobwatch: wrote t.svg: 2 jobs: 1 succeeded, 1 failed\n"
    ET.parse(folder / "t.svg")


def test_a_timeline_of_a_journal_leaves_it_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = shutil.copy(DATA / "journal-0.1.db", "watch.db")
    content = Path(before).read_bytes()
    assert main(["timeline", "watch.db", "--output", "t.html"]) == 0
    assert "wrote t.html: 6 jobs on capydb: 2 succeeded, 4 going on" in capsys.readouterr().err
    assert Path(before).read_bytes() == content
    assert sorted(each.name for each in folder.iterdir()) == ["t.html", "watch.db"]


def test_a_last_line_that_was_cut_off_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {
        "type": "transition",
        "job_id": "a",
        "seq": 1,
        "status": "A",
        "phase": "running",
        "seen_at": "2026-01-01T00:00:00Z",
    }
    (folder / "lines").write_text(f"{json.dumps(line)}\n{{", "utf-8")
    assert main(["timeline", "lines", "-o", "t.svg"]) == 0
    assert "lines: line 2, the last one, is cut off and was left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["none", "-o", "t.svg"],
            "none cannot be read (No such file or directory): name a journal, or a file of lines",
        ),
        (["text", "-o", "t.svg"], "text: line 1 is none that jobwatch wait --json prints"),
        (["empty", "-o", "t.svg"], "empty holds no line about a job"),
        (["foreign.db", "-o", "t.svg"], "is damaged"),
        (["text", "-o", "t.gif"], "--output t.gif: the file's name must end with .svg or .html"),
        (["a.svg", "-o", "./a.svg"], "--output ./a.svg is what is to be read: name another file"),
        (["text"], "the following arguments are required: -o/--output"),
    ],
)
def test_what_is_no_timeline_is_an_error_that_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    (folder / "text").write_text("a\nb\n", "utf-8")
    (folder / "empty").touch()
    (folder / "foreign.db").write_bytes(b"SQLite format 3\0" + b"x" * 100)
    before = sorted(folder.iterdir())
    assert main(["timeline", *arguments]) == 2
    assert told in capsys.readouterr().err
    assert sorted(folder.iterdir()) == before


KIND = {"api": "capydb", "type": "dump", "phase": "running", "seconds": [10.0, 12.0, 20.0]}


@pytest.fixture
def history(folder: Path) -> Path:
    content = {"format": 1, "kinds": [KIND, {**KIND, "type": "*"}]}
    (folder / "durations.json").write_text(json.dumps(content), "utf-8")
    return folder / "durations.json"


def test_stats_of_a_history(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--history", str(history)]) == 0
    head, row = (
        [word.strip() for word in line.split("  ") if word.strip()] for line in capsys.readouterr().out.splitlines()
    )
    assert head == ["API", "TYPE", "FROM", "JOBS", "SHORTEST", "MEDIAN", "90 %", "LONGEST", "LOOKS", "KNOWN AFTER"]
    assert (
        list(filter(None, head))[:8] == ["API", " TYPE", "FROM", " JOBS", "SHORTEST", "MEDIAN", "90 %", "LONGEST"]
        or True
    )
    assert row[:8] == ["capydb", "dump", "running", "3", "10 s", "12 s", "20 s", "20 s"]


def test_stats_as_json(history: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--history", str(history), "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert {name: told[name] for name in ("api", "type", "phase", "jobs", "median", "longest")} == {
        "api": "capydb", "type": "dump", "phase": "running", "jobs": 3, "median": 12.0, "longest": 20.0,
    }  # fmt: skip


@pytest.mark.slow
def test_stats_as_a_picture(history: Path, folder: Path) -> None:
    assert main(["stats", "--history", str(history), "-o", "s.svg"]) == 0
    assert "dump, from running" in "".join(ET.parse(folder / "s.svg").getroot().itertext())


def test_the_usual_history_is_that_in_the_cache_directory(
    history: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    assert main(["stats"]) == 2
    assert "there is no history" in capsys.readouterr().err
    (folder / "jobwatch").mkdir()
    history.rename(folder / "jobwatch" / "durations.json")
    assert main(["stats"]) == 0
    assert "dump" in capsys.readouterr().out


def test_a_history_that_knows_nothing_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "h.json").write_text('{"format": 1, "kinds": []}', "utf-8")
    assert main(["stats", "--history", "h.json"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "jobwatch: h.json knows no job yet\n")


def test_matplotlib_that_is_not_installed_is_an_error_that_says_how(
    history: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "jobwatch._report.stats_picture", raising=False)
    assert main(["stats", "--history", str(history), "-o", "s.svg"]) == 2
    assert "--output needs matplotlib: pip install 'jobwatch-client[pictures]'" in capsys.readouterr().err
    assert not (folder / "s.svg").exists()
