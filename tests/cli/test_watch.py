"""``jobwatch watch`` without a terminal's bytes: keys as values, what is listed, what is drawn, lines, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from jobwatch import Health, Outcome, Phase
from jobwatch._core.stats import Lag, Stats
from jobwatch._core.tracker import SeenBlocked
from jobwatch._models import FaultKind
from jobwatch._report.model import ReportedJob, State
from jobwatch._report.overview import Row, Totals
from jobwatch._watching.records import Changed, RecordState
from jobwatch._watching.viewing import Origin, Watching
from jobwatch.cli import main
from jobwatch.cli._bars import ASCII, UNICODE, Glyphs
from jobwatch.cli._frame import Screen
from jobwatch.cli._tail import Line
from jobwatch.cli._watch_ends import end_of
from jobwatch.cli._watch_frame import Scene, Shown, cost, counted, shown, title_of
from jobwatch.cli._watch_keys import Decoder, Key, Mode, Pressed, View, Which, pressed
from jobwatch.cli._watch_news import Written
from jobwatch.cli._watch_rows import Drawn, listed
from jobwatch.testing import JobServer
from tests.watching.journals import changed, made, record_of

T = 1_800_000_000.0
NOW = T + 20.0
WE = Origin(api="acme", watching=Watching.WE)


# --- keys: bytes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"q", ["q"]),
        (b"\x1b[A\x1b[B", [Key.UP, Key.DOWN]),
        (b"\x1bOA\x1bOB", [Key.UP, Key.DOWN]),
        (b"\x1b[5~\x1b[6~", [Key.PAGE_UP, Key.PAGE_DOWN]),
        (b"\x1b[H\x1b[4~", [Key.HOME, Key.END]),
        (b"\r\n\x7f\x15\x0c", [Key.ENTER, Key.ENTER, Key.BACKSPACE, Key.CLEAR, Key.REDRAW]),
        ("ä漢".encode(), ["ä", "漢"]),
        (b"\xff", ["\ufffd"]),
        (b"\x1b[1;5Cx", ["x"]),  # Ctrl and an arrow, which mean nothing here
        (b"\x1b[200~", []),
        (b"\x00\x01", []),
        (b"\x1bq", [Key.ESCAPE, "q"]),
        (b"\x1b\x1b[A", [Key.ESCAPE, Key.UP]),
    ],
)
def test_keys_are_told_from_bytes(sent: bytes, keys: list[Pressed]) -> None:
    assert Decoder().fed(sent) == keys


@given(st.lists(st.sampled_from([b"\x1b[A", b"\x1bOB", b"\x1b[5~", b"q", "ä漢".encode()]), max_size=8), st.data())
def test_keys_are_the_same_however_their_bytes_are_cut(sent: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(sent)
    cut = data.draw(st.integers(0, len(whole)))
    decoder = Decoder()
    assert [*decoder.fed(whole[:cut]), *decoder.fed(whole[cut:])] == Decoder().fed(whole)


def test_escape_is_known_when_nothing_has_followed() -> None:
    decoder = Decoder()
    assert decoder.fed(b"\x1b") == []
    assert decoder.is_waiting
    assert decoder.flushed() == [Key.ESCAPE]
    assert not decoder.is_waiting
    assert decoder.flushed() == []
    assert decoder.fed(b"\x1b[") == []
    assert decoder.flushed() == [], "the beginning of something else is nothing"


# --- keys: what they do ---------------------------------------------------------------------------------------------

IDS = ["a", "b", "c", "d", "e"]


def after(*keys: Pressed, view: View = View(), ids: Sequence[str] = IDS, page: int = 2) -> View:  # noqa: B008 - frozen
    for key in keys:
        view = pressed(view, key, ids, page)
    return view


@pytest.mark.parametrize(
    ("keys", "selected"),
    [
        ([Key.DOWN], "b"),
        (["j", "j"], "c"),
        ([Key.UP], "a"),
        ([Key.PAGE_DOWN], "c"),
        ([Key.PAGE_DOWN, Key.PAGE_DOWN, Key.PAGE_DOWN], "e"),
        ([Key.END], "e"),
        ([Key.END, "k"], "d"),
        ([Key.END, Key.PAGE_UP], "c"),
        ([Key.END, Key.HOME], None),
    ],
)
def test_keys_move_the_cursor_and_never_beyond_the_list(keys: list[Pressed], selected: str | None) -> None:
    assert after(*keys).selected == selected


def test_the_cursor_stays_with_its_job_when_others_come_and_go() -> None:
    view = after(Key.DOWN, Key.DOWN)
    assert pressed(view, Key.DOWN, ["new", "c", "d"], 2).selected == "d"
    assert pressed(view, Key.DOWN, ["x", "y"], 2).selected == "y", "one that is listed no more counts as the first"
    assert pressed(view, Key.DOWN, [], 2).selected == "c"


def test_details_are_opened_and_closed_and_go_on_to_the_next_job() -> None:
    view = after(Key.DOWN, Key.ENTER)
    assert (view.mode, view.selected) == (Mode.DETAILS, "b")
    assert after("n", view=view).selected == "c"
    assert after("p", "p", view=view).selected == "a"
    assert after(Key.DOWN, Key.DOWN, Key.UP, view=view).top == 1
    for key in (Key.ESCAPE, "q", Key.ENTER, Key.BACKSPACE):
        closed = after(key, view=view)
        assert (closed.mode, closed.selected, closed.is_over) == (Mode.LIST, "b", False)
    assert after(Key.ENTER, ids=[]).mode is Mode.LIST


def test_a_filter_is_typed_kept_and_cleared() -> None:
    view = after("/", "r", "q", Key.BACKSPACE, "f")
    assert (view.mode, view.words, view.is_over) == (Mode.FILTER, "rf", False)
    assert after(Key.ENTER, view=view) == replace(view, mode=Mode.LIST)
    assert after(Key.ESCAPE, view=view).words == ""
    assert after(Key.CLEAR, view=view) == replace(view, words="")
    assert len(after("/", *"x" * 500).words) == 100


def test_f_goes_through_what_is_listed_and_escape_ends_that() -> None:
    views = [after(*["f"] * count).which for count in range(5)]
    assert views == [*Which, Which.ALL]
    assert after("f", Key.ESCAPE).which is Which.ALL


def test_q_is_the_end_and_other_keys_are_nothing() -> None:
    assert after("q").is_over
    assert after("x", "ß", Key.BACKSPACE) == View()


# --- rows -----------------------------------------------------------------------------------------------------------


def a_row(name: str, kind: str = "running", **facts: object) -> Row:
    steps = {
        "pending": [Phase.PENDING],
        "running": [Phase.PENDING, Phase.RUNNING],
        "blocked": [Phase.PENDING, Phase.RUNNING, Phase.BLOCKED],
        "unread": [],
    }
    ends = {"succeeded": Phase.SUCCEEDED, "failed": Phase.FAILED}
    phases = [*steps.get(kind, [Phase.PENDING, Phase.RUNNING]), *([ends[kind]] if kind in ends else [])]
    begun = [T + 4.0 * number for number in range(len(phases))]
    left = [*begun[1:], begun[-1]] if begun else []
    states = tuple(
        State(status=phase.value, phase=phase, began=at, ended=until)
        for phase, at, until in zip(phases, begun, left, strict=True)
    )
    job = ReportedJob(
        job_id=name,
        states=states,
        outcome=Outcome(kind) if kind in ends else None,
        status=phases[-1].value if phases else None,
        phase=phases[-1] if phases else None,
        looks=3,
        error="E42: no space left" if kind == "failed" else None,
        asked="Deploy to production?" if kind == "blocked" else None,
        url="https://ci.test/1" if kind == "blocked" else None,
        ran=4.0 if kind in ends else None,
        known_after=0.3 if kind in ends else None,
    )
    row = Row(
        job=job, version=1, api="acme", changed_at=T + 9.0, entered_at=begun[-1] if begun else None,
        looked_at=T + 15.0, next_look=T + 23.0, error=job.error,
    )  # fmt: skip
    return replace(row, **facts)


def test_first_come_those_that_ask_then_the_latest_bad_ends_then_what_goes_on() -> None:
    bad = [a_row(f"bad{number}", "failed", changed_at=T + number) for number in range(7)]
    bad = [
        replace(row, job=replace(row.job, states=(State(status="f", phase=Phase.FAILED, began=T + at, ended=T + at),)))
        for row, at in zip(bad, range(7), strict=True)
    ]
    rows = [
        a_row("good", "succeeded"), a_row("new", "unread"), a_row("wait", "pending"), *bad, a_row("runs"),
        a_row("gone", health=Health.AUTH), a_row("asks", "blocked"),
    ]  # fmt: skip
    names = [row.job_id for row in listed(rows, View(), NOW)]
    assert names == [
        "asks", "bad6", "bad5", "bad4", "bad3", "bad2", "gone", "runs", "wait", "new", "bad1", "bad0", "good",
    ]  # fmt: skip


def names_of(view: View) -> list[str]:
    rows = [
        a_row("a-1", "succeeded"), a_row("a-2", "failed", type="db.restore"), a_row("a-3"),
        a_row("a-4", late_from=NOW - 1.0), a_row("a-5", "blocked"), a_row("a-6", health=Health.STALE),
    ]  # fmt: skip
    return sorted(row.job_id for row in listed(rows, view, NOW))


def test_which_jobs_are_listed() -> None:
    assert names_of(View(which=Which.GOING_ON)) == ["a-3", "a-4", "a-5", "a-6"]
    assert names_of(View(which=Which.BAD)) == ["a-2"]
    assert names_of(View(which=Which.ATTENTION)) == ["a-4", "a-5", "a-6"]
    assert names_of(View(words="RESTORE")) == ["a-2"]
    assert names_of(View(words="a- runn")) == ["a-3", "a-4", "a-6"]
    assert names_of(View(words="nothing")) == []


def test_the_record_of_an_end_is_that_of_wait() -> None:
    record = end_of(a_row("a", "failed"), 7.0)
    assert (record.outcome, record.error, record.ran, record.known_after) == (
        Outcome.FAILED,
        "E42: no space left",
        4,
        0.3,
    )
    assert (record.elapsed, record.looks, record.status, record.phase) == (7.0, 3, "failed", Phase.FAILED)
    assert record.ended_at is not None
    assert record.started_at is not None
    asks = end_of(a_row("a", "blocked"))
    assert (asks.outcome, asks.asked, asks.error) == (Outcome.BLOCKED, "Deploy to production?", None)


# --- what is drawn --------------------------------------------------------------------------------------------------


def totals(rows: Sequence[Row], stats: Stats | None = None) -> Totals:
    going_on = [row for row in rows if row.goes_on]
    return Totals(
        going_on=len(going_on),
        phases=Counter(row.job.phase for row in going_on if row.job.phase is not None),
        unread=sum(row.job.phase is None for row in going_on),
        ended=Counter(row.job.outcome for row in rows if row.job.outcome is not None),
        dropped=0,
        troubled=Counter(row.health for row in going_on if row.health is not Health.OK),
        late=sum(row.is_late(NOW) for row in rows),
        stats=stats,
    )


def drawn(
    rows: Sequence[Row],
    width: int = 80,
    height: int = 24,
    *,
    view: View = View(),  # noqa: B008 - frozen
    glyphs: Glyphs = UNICODE,
    origin: Origin = WE,
    opened: Row | None = None,
    has_keys: bool = True,
    written: Written | None = None,
    title: str = "Watching jobs on acme",
) -> Shown:
    longest = max((cell_len(row.job_id) for row in rows), default=0)
    scene = Scene(
        title=title, origin=origin, totals=totals(rows), rows=listed(rows, view, NOW), view=view, now=NOW,
        longest=longest, opened=opened, has_keys=has_keys, written=written,
    )  # fmt: skip
    return shown(scene, Screen(width, height, glyphs), Drawn(str))


def texts(found: Shown) -> list[str]:
    return ["".join(text for text, _ in line).rstrip() for line in found.lines]


def test_the_list_says_what_somebody_has_to_do_something_about_first() -> None:
    rows = [a_row("runs"), a_row("ok", "succeeded"), a_row("bad", "failed"), a_row("asks", "blocked")]
    lines = texts(drawn(rows))
    assert lines[:2] == ["Watching jobs on acme", "1 waits for a person, 1 failed, 1 running, 1 succeeded"]
    assert re.fullmatch(r"> \? asks ╌+━+\?+ +blocked 12 s", lines[3])
    assert lines[4] == "    waits for a person: Deploy to production?: https://ci.test/1"
    assert re.fullmatch(r"  ✘ bad  ╌+━+✘ +failed ran 4.0 s  E42: no space left", lines[5])
    assert re.fullmatch(r"  ▸ runs ╌+━+ +running 16 s", lines[6])
    assert re.fullmatch(r"  ✔ ok   ╌+━+✔ +succeeded ran 4.0 s", lines[7])
    assert lines[-1].startswith("q quit, Enter details")
    assert lines[-1].endswith("whole bar 20 s")
    assert len(lines) == 24


def test_the_words_of_a_job_are_made_anew_only_when_they_differ() -> None:
    draw = Drawn(str)
    row = a_row("runs")
    first = draw(row, NOW)
    later = replace(row, job=replace(row.job, looks=4, progress=0.5), looked_at=T + 16.0, next_look=T + 24.0, version=2)
    assert draw(later, NOW + 1.0) is first
    assert (first.standing.looks, first.standing.progress) == (4, 0.5)
    last = row.job.states[-1]
    for other in (
        replace(row, job=replace(row.job, states=(*row.job.states[:-1], replace(last, status="resumed")))),
        replace(row, job=replace(row.job, states=(*row.job.states, replace(last, began=last.began + 1.0)))),
        replace(row, job=replace(row.job, asked="Deploy?")),
        replace(row, fault="no route"),
        replace(row, health=Health.STALE),
        replace(row, unsettled="failed"),
        a_row("runs", "failed"),
    ):
        assert draw(row, NOW).states == first.states
        assert draw(other, NOW) == Drawn(str)(other, NOW), other


def test_what_is_wrong_and_what_is_expected_stands_in_the_row() -> None:
    rows = [a_row("late", late_from=NOW - 1.0), a_row("soon", ends_between=(NOW + 12.0, NOW + 40.0))]
    rows += [a_row("lost", health=Health.UNREACHABLE, fault="no connection")]
    lines = texts(drawn(rows, 100))
    assert any(line.endswith("unreachable: no connection") for line in lines)
    assert any(line.endswith("running 16 s 12 to 40 s left") for line in lines)
    assert any(line.endswith("running 16 s late") for line in lines)
    assert lines[1] == "1 late, 1 unreachable, 3 running"


def test_the_cursor_is_in_view_wherever_it_is() -> None:
    rows = [a_row(f"j{number:02}", "blocked" if number % 3 == 0 else "running") for number in range(60)]
    view = View()
    ids = [row.job_id for row in listed(rows, view, NOW)]
    for key in [*[Key.DOWN] * 70, *[Key.PAGE_UP] * 4, Key.END, *[Key.UP] * 70]:
        found = drawn(rows, 60, 15, view=view)
        selected = [line for line in texts(found) if line.startswith("> ")]
        assert len(selected) == 1
        at = ids[0] if view.selected is None else view.selected
        assert at in selected[0]
        view = pressed(found.view, key, ids, found.page)
    assert texts(drawn(rows, 60, 15, view=View(selected="j59")))[-1].endswith("of 60")


def test_of_many_that_ask_only_the_selected_one_says_what_so_that_others_are_seen_too() -> None:
    few = texts(drawn([a_row(f"j{number}", "blocked") for number in range(3)], 60, 15))
    assert sum("waits for a person" in line for line in few[2:]) == 3
    many = drawn([a_row(f"j{number:02}", "blocked") for number in range(20)], 60, 15, view=View(selected="j03"))
    lines = texts(many)
    assert [line.strip() for line in lines if "waits for a person" in line] == [
        "waits for a person: Deploy to production?:"
    ]
    assert sum(" ? j" in line for line in lines) >= 9


def test_details_tell_all_that_is_known() -> None:
    row = a_row("bad", "failed", type="db.restore", project_id="prj_1", remarks=("a word that no table explains",))
    lines = texts(drawn([row], view=View(mode=Mode.DETAILS, selected="bad"), opened=row))
    assert lines[0] == "✘ bad"
    assert lines[1] == "failed, ran 4.0 s"
    assert lines[2] == "failed: E42: no space left"
    assert re.fullmatch(r" \d\d:\d\d:\d\d  pending +4.0 s", lines[5])
    assert re.fullmatch(r" \d\d:\d\d:\d\d  running +4.0 s", lines[6])
    for told in (
        "type  db.restore",
        "project  prj_1",
        "end known  0.3 s after it",
        "looks  3, the last good one 5.0 s ago",
    ):
        assert told in lines
    assert "remark  a word that no table explains" in lines
    runs = a_row("runs", unsettled="FAILED", health=Health.STALE, faults=3, fault="no connection")
    lines = texts(drawn([runs], view=View(mode=Mode.DETAILS, selected="runs"), opened=runs))
    assert "stale: no connection" in lines
    assert "seen  stale, 3 looks in a row have failed" in lines
    assert "looks  3, the last good one 5.0 s ago, the next in 3.0 s" in lines


def test_details_of_a_failed_job_end_with_what_it_wrote() -> None:
    row = a_row("bad", "failed")
    written = "stderr", [Line("the last 2 of 9 lines", is_remark=True), Line("E:\tno such backup"), Line("x" * 90)]
    lines = texts(drawn([row], view=View(mode=Mode.DETAILS, selected="bad"), opened=row, written=written))
    at = lines.index("wrote last (stderr)")
    assert lines[at + 1 : at + 5] == [
        "  the last 2 of 9 lines",
        "  E:      no such backup",
        f"  {'x' * 78}",
        f"  {'x' * 12}",
    ]


def test_details_of_a_job_that_is_gone_are_the_list() -> None:
    found = drawn([a_row("a")], view=View(mode=Mode.DETAILS, selected="b"))
    assert found.view.mode is Mode.LIST
    assert texts(found)[0] == "Watching jobs on acme"


_KINDS = st.lists(st.sampled_from(["pending", "running", "blocked", "unread", "succeeded", "failed"]), max_size=40)


@given(
    _KINDS,
    st.integers(1, 130),
    st.integers(1, 50),
    st.booleans(),
    st.sampled_from(list(Mode)),
    st.integers(0, 60),
    st.text("ab漢\u0301-", max_size=60),
)
@example(["blocked"], 1, 1, False, Mode.LIST, 0, "漢")
def test_a_drawing_fills_the_screen_and_never_more(  # noqa: PLR0917
    kinds: list[str], width: int, height: int, is_ascii: bool, mode: Mode, top: int, name: str
) -> None:
    """Whatever its size, whatever jobs there are, and wherever one is in them."""
    rows = [a_row(f"{number}{name}", kind) for number, kind in enumerate(kinds)]
    opened = rows[-1] if rows and mode is Mode.DETAILS else None
    view = View(mode=mode, selected=None if opened is None else opened.job_id, top=top, words="")
    found = drawn(rows, width, height, view=view, glyphs=ASCII if is_ascii else UNICODE, opened=opened)
    assert len(found.lines) == height
    assert all(sum(cell_len(text) for text, _ in line) <= width for line in found.lines)
    if is_ascii and name.isascii():
        assert all(text.isascii() for line in found.lines for text, _ in line)


def test_without_keys_none_are_told_of() -> None:
    lines = texts(drawn([a_row("a")], has_keys=False))
    assert lines[-1].startswith("Ctrl-C ends")
    assert not any(line.startswith(">") for line in lines)


def test_an_empty_list_says_why() -> None:
    assert "No job is like that; Escape shows all." in texts(drawn([a_row("a")], view=View(words="x")))
    assert "No jobs yet; new ones come by themselves." in texts(drawn([], origin=replace(WE, projects={"p": ""})))


# --- who watches ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "title"),
    [
        (WE, "Watching w.db on acme"),
        (Origin(api="acme", watching=Watching.OTHERS, pid=7), "w.db of acme, watched by process 7"),
        (Origin(api="acme", watching=Watching.OTHERS), "w.db of acme, watched by another process"),
        (Origin(api="acme", watching=Watching.NOBODY), "w.db of acme: NOBODY IS WATCHING"),
    ],
)
def test_the_title_says_whether_anybody_watches(origin: Origin, title: str) -> None:
    assert title_of(origin, "w.db") == title


def test_what_nobody_watches_stands_as_it_was_when_it_was_written() -> None:
    origin = Origin(api="acme", watching=Watching.NOBODY, journal="w.db", written_at=T + 10.0)
    lines = texts(drawn([a_row("a")], origin=origin))
    assert lines[2] == "last written 10 s ago; this is how things stood then"
    assert any("running 6.0 s" in line for line in lines)
    watched = replace(origin, watching=Watching.OTHERS)
    assert any("running 16 s" in line for line in texts(drawn([a_row("a")], origin=watched)))


def test_what_keeps_jobs_from_being_seen_stands_above_them() -> None:
    origin = replace(WE, trouble="the disk is full", projects={"prj_1": "no answer", "prj_2": ""})
    assert texts(drawn([a_row("a")], origin=origin))[3:5] == ["the disk is full", "prj_1: no answer"]


def test_what_watching_costs() -> None:
    stats = Stats(
        requests=43, faults={FaultKind.UNREACHABLE: 2}, rate=5.0, demand=1.25, lag=Lag(count=3, mean=0.4, max=2.1)
    )
    scene = Scene(title="t", origin=WE, totals=totals([], stats), rows=[], view=View(), now=NOW, longest=0)
    told = "43 requests, 2 failed, 1.2 a second of 5.0 allowed, ends known 0.4 s late, 2.1 s at most"
    assert cost(scene) == told
    assert counted(scene.totals) == [("no jobs yet", "dim")]


# --- the command, without a terminal ----------------------------------------------------------------------------------

_SOURCE = """
from jobwatch import Problem
from jobwatch.testing import FakeSource
def make():
    source = FakeSource("acme")
    source.add("ok", [("queued", 0), ("running", 0.02), ("completed", 0.1)], project_id="p")
    source.add("bad", [("queued", 0), ("failed", 0.05)], error=Problem("no space"), project_id="p", result={"n": 1})
    source.add("long", [("running", 0)], project_id="p")
    return source
"""
_FAST = ("--min-interval", "20ms", "--max-interval", "50ms", "--no-history")


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"watched_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(_SOURCE)
    monkeypatch.chdir(tmp_path)
    return f"{name}:make"


async def test_jobs_that_were_named_are_watched_to_their_end_and_told_as_wait_tells_them(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await asyncio.to_thread(main, ["watch", "ok", "bad", "--source", source, "--json", *_FAST])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == 1
    states = [record["status"] for record in records if record["type"] == "transition" and record["job_id"] == "ok"]
    assert states == ["queued", "running", "completed"]
    assert {record["job_id"]: record["outcome"] for record in records if record["type"] == "outcome"} == {
        "ok": "succeeded",
        "bad": "failed",
    }
    bad = next(record for record in records if record["type"] == "outcome" and record["job_id"] == "bad")
    assert bad["error"] == "no space"
    assert bad["known_after"] < 1.0


async def test_plain_lines_and_a_good_end(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = await asyncio.to_thread(main, ["watch", "ok", "--source", source, *_FAST])
    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert [line.split()[2] for line in lines[:-1]] == ["queued", "running", "completed"]
    assert "=> succeeded, ended" in lines[-1]
    accepted = await asyncio.to_thread(main, ["watch", "bad", "--source", source, "--accept", "failed", *_FAST])
    assert accepted == 0


async def test_what_a_failed_job_wrote_is_printed_as_wait_prints_it(
    job_server: JobServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAPYDB_API_URL", job_server.url_of("capydb"))
    monkeypatch.setenv("CAPYDB_API_KEY", "sk_test")
    written = "\n".join(["first", *map(str, range(20))])
    job_server.add("capydb", "job_1", [("running", 0), ("failed", 0.05)], stderr=written)
    code = await asyncio.to_thread(main, ["watch", "job_1", "--api", "capydb", *_FAST])
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("stderr job_1")]
    assert code == 1
    assert lines[0] == "stderr job_1 * the last 20 of 21 lines"
    assert lines[1] == "stderr job_1 | 0"
    assert lines[-1] == "stderr job_1 | 19"


def test_lines_need_no_rich(source: str) -> None:
    script = (
        "import sys; sys.modules['rich'] = None; from jobwatch.cli import main;"
        f"sys.exit(main(['watch', 'ok', '--source', {source!r}, *{_FAST!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "=> succeeded" in done.stdout


async def test_a_command_is_run_once_for_each_end(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told"
    command = f"sh -c 'echo $JOBWATCH_JOB_ID $JOBWATCH_OUTCOME $JOBWATCH_EXIT_CODE >> {told}'"
    await asyncio.to_thread(main, ["watch", "ok", "bad", "--source", source, "--exec", command, *_FAST])
    assert sorted(told.read_text().splitlines()) == ["bad failed 1", "ok succeeded 0"]
    assert "exec" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["watch"], "nothing to watch: give the ids of jobs, --project ID or --journal FILE"),
        (["watch", "a", "--journal", "x.db"], "--journal shows what its service watches: leave out jobs and --project"),
        (["watch", "--journal", "none.db"], "the journal none.db is not there"),
        (["watch", "--project", "p", "--api", "bedrock"], "bedrock documents no list of jobs"),
        (["watch", "--journal", ".", "--api", "capydb"], "the journal . cannot be opened: Is a directory"),
        (["watch", "--project", "", "--api", "capydb"], "a project id cannot be ''"),
        (["list", "--project", "..", "--api", "capydb"], "a project id cannot be '..'"),
        (["watch", "a", "--projct", "p"], "unknown option --projct (did you mean --project?)"),
        (["watch", "-", "--api", "bedrock"], "reads no response from standard input"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_asked(
    argv: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BEDROCK_API_KEY", "canary-token")
    monkeypatch.setenv("CAPYDB_API_KEY", "canary-token")
    assert main(argv) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_a_journal_is_followed_as_lines_and_its_old_ends_are_not_told_again(tmp_path: Path) -> None:
    over = record_of("over", 1, RecordState.ENDED)
    seen = replace(over.watched, status="DONE", phase=Phase.SUCCEEDED, outcome=Outcome.SUCCEEDED)
    path = made(tmp_path / "w.db", changed("a", 1, 2), Changed(replace(over, watched=seen)))
    command = [sys.executable, "-m", "jobwatch", "watch", "--journal", str(path), "--json", "--no-history"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as viewer:
        assert viewer.stdout is not None
        first = json.loads(viewer.stdout.readline())
        assert (first["job_id"], first["status"], first["seq"]) == ("a", "RUNNING", 2), "not what came before"
        made(path, changed("b", 1, 1))
        assert json.loads(viewer.stdout.readline())["job_id"] == "b"
        viewer.terminate()
        out, err = viewer.communicate()
    assert out == ""
    assert viewer.returncode == 143
    assert "is held by nobody: nobody is watching its jobs" in err


def _asking(folder: Path, what: str) -> Path:
    record = record_of("a", 1)
    blocked = SeenBlocked(T, T + 60.0, what)
    watched = replace(record.watched, status="BLOCKED", phase=Phase.BLOCKED, blocked=blocked)
    return made(folder / "w.db", Changed(replace(record, watched=watched)))


@pytest.mark.slow
def test_of_a_journal_too_the_token_of_its_api_is_masked(tmp_path: Path) -> None:
    path = _asking(tmp_path, "may I use canary-token-1234?")
    command = [sys.executable, "-m", "jobwatch", "watch", "--journal", str(path), "--no-history"]
    environment = {**os.environ, "BEDROCK_API_KEY": "canary-token-1234"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as viewer:
        assert viewer.stdout is not None
        line = viewer.stdout.readline()
        viewer.terminate()
    assert "may I use ***?" in line


def test_a_journal_of_another_api_than_was_named_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _asking(tmp_path, "may I?")
    assert main(["watch", "--journal", str(path), "--api", "capydb"]) == 2
    assert f"the journal {path} holds jobs of bedrock, and --api says capydb" in capsys.readouterr().err
