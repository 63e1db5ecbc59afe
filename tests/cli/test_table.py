"""The live table: bars, rows, what is shown where there is room for less, and what a resize leaves; all as values."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from jobwatch import Client, Fault, FaultKind, Outcome, Phase, Transition
from jobwatch._client.access import engine_of, learned_by
from jobwatch.cli import _output
from jobwatch.cli._bars import ASCII, UNICODE, Glyphs, bar, scale_of, spans
from jobwatch.cli._frame import Scene, Screen, frame
from jobwatch.cli._heartbeat import Heartbeat
from jobwatch.cli._live import LiveTable, draws_unicode
from jobwatch.cli._render import OutcomeRecord
from jobwatch.cli._resize import Size, Wiping, wiping
from jobwatch.cli._rows import Row, cut, left_text, summary, wrapped
from jobwatch.cli._run import Extras, Run
from jobwatch.cli._standing import Standing
from jobwatch.testing import FakeSource
from tests.virtual import on_virtual_clock

BEGIN = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
NOW = BEGIN.timestamp() + 20


def state(
    phase: Phase, second: float, *, is_dated: bool = True, late: float = 0.0, asked: str | None = None
) -> Transition:
    at = BEGIN + timedelta(seconds=second)
    url = None if asked is None else "https://ci.test/1"
    return Transition(
        "j", 1, phase.value, phase, at if is_dated else None, at + timedelta(seconds=late), False, asked, url
    )


def ended(outcome: Outcome, name: str = "j", reason: str | None = None) -> OutcomeRecord:
    return OutcomeRecord(name, outcome, outcome.value, None, reason, 3, 9.0, ran=8.0)


def a_row(name: str, kind: str) -> Row:
    running = [state(Phase.PENDING, 0), state(Phase.RUNNING, 10)]
    match kind:
        case "succeeded" | "failed":
            end = ended(Outcome(kind), name, "no space left" if kind == "failed" else None)
            return Row(name, [*running, state(Phase(kind), 18)], end=end, end_at=NOW)
        case "running":
            return Row(name, running)
        case "blocked":
            return Row(name, [*running, state(Phase.BLOCKED, 15, asked="Deploy?")])
        case "pending":
            return Row(name, running[:1])
        case _:
            return Row(name)


def rows_of(*kinds: str) -> list[Row]:
    return [a_row(f"j{number:02}", kind) for number, kind in enumerate(kinds)]


def drawn(
    rows: Sequence[Row], width: int = 80, height: int = 24, *, is_last: bool = False, glyphs: Glyphs = UNICODE
) -> list[str]:
    lines = frame(Scene("Waiting for jobs on x", rows, 12.0, NOW, is_last), Screen(width, height, glyphs))
    return ["".join(text for text, _ in line) for line in lines]


# --- bars -----------------------------------------------------------------------------------------------------------


def test_a_bar_has_a_character_for_each_phase_and_ends_with_that_of_the_end() -> None:
    taken = [(Phase.PENDING, 2.0), (Phase.RUNNING, 4.0), (Phase.BLOCKED, 2.0), (Phase.UNKNOWN, 2.0)]
    for glyphs, told in ((UNICODE, "╌╌━━━━??··"), (ASCII, "--====??..")):
        assert "".join(text for text, _ in bar(taken, None, 12.0, 12, glyphs)) == told.ljust(12)
    pieces = bar(taken[:2], ("x", "red"), 10.0, 10, ASCII)
    assert pieces == [("--", "yellow"), ("===", "cyan"), ("x", "red"), ("    ", "")]


@given(st.lists(st.floats(0, 1e7), max_size=6), st.booleans(), st.integers(1, 40), st.floats(0.1, 1e7))
def test_a_bar_is_as_wide_as_it_is_told(taken: list[float], has_end: bool, width: int, scale: float) -> None:
    phases = [(list(Phase)[number % 3], seconds) for number, seconds in enumerate(taken)]
    text = "".join(text for text, _ in bar(phases, ("x", "") if has_end else None, scale, width, ASCII))
    assert len(text) == width
    assert text.strip() or not (taken or has_end)


def test_what_the_states_tell_of_time() -> None:
    states = [state(Phase.PENDING, 0), state(Phase.RUNNING, 5), state(Phase.SUCCEEDED, 9)]
    assert spans(states, NOW) == [(Phase.PENDING, 5.0), (Phase.RUNNING, 4.0)]
    assert spans(states[:2], NOW) == [(Phase.PENDING, 5.0), (Phase.RUNNING, 15.0)]
    assert spans(states[:2], NOW, 3.5)[-1] == (Phase.RUNNING, 3.5), "what is known better"
    backwards = [state(Phase.PENDING, 8), state(Phase.RUNNING, 5)]
    assert spans(backwards, NOW)[0] == (Phase.PENDING, 0.0)
    ahead = [state(Phase.RUNNING, 3600, late=-3590)]
    assert spans(ahead, NOW) == [(Phase.RUNNING, 10.0)], "the API's clock is ahead, and it was seen 10 s ago"
    assert spans([], NOW) == []


def test_a_whole_bar_is_a_round_time_that_holds_the_longest() -> None:
    assert [scale_of(longest) for longest in (0, 10, 10.1, 61, 4000, 86_400, 200_000)] == [
        *(10, 10, 20, 120, 7200, 86_400, 345_600)
    ]


# --- rows -----------------------------------------------------------------------------------------------------------


def test_a_row_tells_state_age_progress_and_the_range_of_the_time_left() -> None:
    row = a_row("j", "running")
    row.standing = Standing(4, progress=0.419, phase=Phase.RUNNING, age=12.0, left=(70.0, 160.0))
    line = drawn([row])[1]
    assert line.endswith(" running 12 s 41 % 1m 10s to 2m 40s left")
    assert "╌" in line
    assert "━" in line
    assert drawn([row])[0].endswith("0 of 1 ended, 12 s, 1m 10s to 2m 40s left")
    assert drawn([row], width=40)[3].endswith(" running 12 s 41 %"), "what there is no room for is left out whole"


def test_the_age_of_a_state_that_was_not_told_yet_is_not_that_of_the_one_before() -> None:
    row = a_row("j", "running")
    row.standing = Standing(4, phase=Phase.SUCCEEDED, age=0.1)
    assert " running 10 s" in drawn([row])[1]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (None, ""),
        ((0.0, 0.2), "1 s left"),
        ((3.2, 7.9), "3 to 8 s left"),
        ((12.0, 40.0), "12 to 40 s left"),
        ((50.0, 90.0), "50 s to 1m 30s left"),
    ],
)
def test_a_range_of_the_time_left_is_told_in_whole_seconds(left: tuple[float, float] | None, told: str) -> None:
    assert left_text(left) == told


def test_what_a_job_asks_is_told_with_its_link_and_stays_when_the_wait_stops() -> None:
    row = a_row("j", "blocked")
    told = "    waits for a person: Deploy?: https://ci.test/1"
    assert told in drawn([row])
    assert drawn([row])[1].startswith("? j ")
    assert "1 waits for a person" in drawn([row])[0]
    row.end, row.end_at = ended(Outcome.TIMEOUT, reason="too long"), NOW
    assert drawn([row], is_last=True)[-2:] == [told, "    timeout: too long"]
    row.end = ended(Outcome.BLOCKED)
    assert sum("waits for a person" in line for line in drawn([row], is_last=True)[1:]) == 1


def test_what_is_wrong_with_the_looks_is_told_while_it_lasts() -> None:
    row = a_row("j", "running")
    row.trouble = "cannot be read for now: HTTP 503"
    assert "    cannot be read for now: HTTP 503" in drawn([row])
    crowded = drawn([row, *rows_of(*["pending"] * 30)], width=100, height=10)
    assert any(line.startswith("▸ j  ") and line.endswith("  cannot be read for now: HTTP 503") for line in crowded)


@on_virtual_clock
async def test_the_range_of_the_time_left_comes_from_earlier_jobs_of_the_type() -> None:
    source = FakeSource()
    for number in range(5):
        source.add(f"old_{number}", [("running", 0), ("succeeded", 20 + 10 * number)], type="build")
    async with Client(source=source) as client:
        await client.wait_all([f"old_{number}" for number in range(5)])
        source.add("new", [("running", 0), ("succeeded", 100)], type="build")
        table = LiveTable(["new"], "t", Console(file=io.StringIO(), width=100, height=20))
        heartbeat = Heartbeat(learned_by(client), engine_of(client).unix)
        following = asyncio.create_task(Run([client.wait_for("new")], table, Extras(heartbeat=heartbeat)).follow())
        await asyncio.sleep(10.1)
        shown = Console(file=io.StringIO(), width=100, record=True)
        shown.print(table)
        following.cancel()
        await asyncio.wait([following])
    assert re.search(r"running 10 s 1[678] to 4[234] s left", shown.export_text())


# --- where there is room for less -----------------------------------------------------------------------------------


def test_states_are_told_where_there_is_room_for_them() -> None:
    rows = rows_of("running", "failed")
    assert sum("pending 08:00:00 → running +10 s" in line for line in drawn(rows)) == 2
    assert not any("→" in line for line in drawn(rows, height=5))
    assert "    failed: no space left" in drawn(rows, height=5)


def test_failed_and_blocked_jobs_stay_in_view_and_the_rest_is_counted() -> None:
    rows = rows_of(*["succeeded"] * 30, *["pending"] * 21, *["running"] * 60, "failed", "blocked", "failed")
    lines = drawn(rows, height=12)
    assert len(lines) == 12
    assert [line[:5] for line in lines[1:6]] == ["? j11", "    w", "✘ j11", "✘ j11", "▸ j51"[:5]]
    assert lines[3].endswith("  no space left")
    assert lines[-1] == "… and 105 more: 54 running, 21 pending, 30 succeeded"
    assert drawn(rows, 42, 12)[-1] == "… and 108 more: 57 running, 21 pending", "no count is cut in two"


def test_however_many_have_failed_some_of_those_that_run_are_shown() -> None:
    lines = drawn(rows_of(*["failed"] * 50, *["running"] * 50), height=24)
    assert len(lines) == 24
    assert sum(line.startswith("▸") for line in lines) == 5
    assert lines[-1] == "… and 78 more: 33 failed, 45 running"


def test_at_the_end_of_many_jobs_those_that_did_not_succeed_are_left_standing_and_a_summary() -> None:
    rows = rows_of(*(("failed" if number % 10 == 3 else "succeeded") for number in range(100)))
    lines = drawn(rows, is_last=True)
    assert sum(line.startswith("✘") for line in lines) == lines.count("    failed: no space left") == 10
    assert not any(line.startswith("✔") for line in lines)
    assert lines[-1] == "90 succeeded, 10 failed: j03, j13, j23, j33, j43, j53, j63, j73, j83, j93"
    assert drawn(rows_of(*["succeeded"] * 100), is_last=True)[1:] == ["100 succeeded"]
    few = drawn(rows_of("succeeded", "failed"), is_last=True)
    assert sum(line.startswith(("✔", "✘")) for line in few) == 2, "all fit"


def test_of_few_jobs_all_states_are_left_standing_though_they_do_not_fit() -> None:
    lines = drawn(rows_of(*["succeeded"] * 10), height=8, is_last=True)
    assert sum("→ succeeded" in line for line in lines) == 10
    assert not any("→" in line for line in drawn(rows_of(*["succeeded"] * 11), height=18, is_last=True))


def test_the_end_of_hundreds_that_failed_is_no_hundreds_of_lines() -> None:
    lines = drawn(rows_of(*["failed"] * 300), is_last=True)
    assert sum(line.startswith("✘") for line in lines) == 50
    assert "… and 250 more: 250 failed" in lines
    assert lines[-1].endswith("j09 and 290 more")


def test_a_summary_names_those_of_each_bad_end() -> None:
    rows = rows_of("succeeded", "failed", "failed", "succeeded")
    rows += [Row("x", end=ended(Outcome.NOT_FOUND)), Row("y", end=ended(Outcome.CANCELLED))]
    assert summary(rows, UNICODE) == "2 succeeded, 2 failed: j01, j02; 1 not found: x; 1 cancelled: y"
    rows[1].name = "x" * 300
    told = summary(rows, ASCII)
    assert ("x" * 30 in told, len(told) < 160) == (True, True), "it is whole in lines and in --json"


@given(
    st.lists(st.sampled_from(["succeeded", "failed", "running", "blocked", "pending", "unread"]), max_size=40),
    st.integers(16, 120),
    st.integers(12, 50),
    st.booleans(),
)
def test_a_drawing_fits_and_is_ascii_where_it_has_to_be(
    kinds: list[str], width: int, height: int, is_last: bool
) -> None:
    rows = rows_of(*kinds)
    for number, row in enumerate(rows):
        row.name += "_01JABCDEFGHIJKLMNOPQRSTUVWXYZ" * (number % 3 == 0)
    lines = drawn(rows, width, height, is_last=is_last, glyphs=ASCII)
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isascii() for line in lines)
    assert is_last or len(lines) <= height


def test_wide_characters_take_two_columns() -> None:
    assert cell_len(cut("漢字漢字漢字", 7, "…")) <= 7
    assert all(cell_len(line) <= 5 for line in wrapped("漢字漢字 abcdefgh", 5))
    assert "".join(wrapped("abcdefgh", 3)) == "abcdefgh"


# --- a resize -------------------------------------------------------------------------------------------------------


def test_lines_that_a_narrower_terminal_has_broken_are_wiped_off_too() -> None:
    assert wiping([80, 40, 0], (), Size(80, 24), Size(40, 24)) == Wiping(3, ())
    assert wiping([80, 40, 0], (), Size(80, 24), Size(120, 24)) == Wiping(2, ())


def test_lines_that_a_lower_terminal_has_pushed_off_are_wiped_off_when_a_higher_one_brings_them_back() -> None:
    lower = wiping([30, 31, 32, 33, 34], (), Size(80, 24), Size(80, 3))
    assert lower == Wiping(4, (30, 31))
    assert wiping([9, 9], lower.pushed_off, Size(80, 3), Size(80, 4)) == Wiping(2, (30,))
    assert wiping([9, 9], lower.pushed_off, Size(80, 3), Size(80, 24)) == Wiping(3, ())


def test_after_a_resize_the_drawing_before_is_gone() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    assert isinstance(console.file, io.StringIO)
    with LiveTable(["a" * 20, "b" * 20], "A title of thirty characters...", console) as table:
        before = console.file.getvalue()
        assert before.count("\n") == 2, "three lines, each of which becomes two in 30 columns"
        console.width = 30
        table.refresh({})
        wiped, _, _ = console.file.getvalue()[len(before) :].partition("A title")
    ups = [int(up) for up in re.findall(r"\x1b\[(\d+)A", wiped)]
    assert sum(ups) == 5 + 2, "up to the first line of what it has become, and what rich goes up after that"
    assert "\x1b[2B" in wiped, "which is from where it takes the end to be"


# --- the table itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "variables", "draws"),
    [
        ("utf-8", {}, True),
        ("UTF8", {"LANG": "de_DE.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, False),
        ("utf-8", {"LC_ALL": "", "LANG": "POSIX"}, False),
        ("utf-8", {"LC_ALL": "C.UTF-8"}, True),
        ("iso8859-1", {"LANG": "de_DE"}, False),
    ],
)
def test_a_terminal_of_the_c_locale_gets_ascii(encoding: str, variables: dict[str, str], draws: bool) -> None:
    assert draws_unicode(encoding, variables) is draws


def test_in_the_c_locale_nothing_but_ascii_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    console = Console(file=io.StringIO(), force_terminal=True, width=70, height=20)
    assert isinstance(console.file, io.StringIO)
    with LiveTable(["jöb"], "Wärten", console) as table:
        table.transition(Transition("jöb", 1, "läuft", Phase.RUNNING, BEGIN, BEGIN))
        table.fault("jöb", Fault(FaultKind.UNREACHABLE, "später"))
        table.refresh({})
        table.outcome(OutcomeRecord("jöb", Outcome.FAILED, "läuft", None, "kaputt ☠", 1, 1.0))
    text = console.file.getvalue()
    assert text.isascii()
    assert r"j\xf6b" in text
    assert r"sp\xe4ter" in text
    assert r"kaputt \u2620" in text


def test_a_secret_that_would_stand_on_two_lines_is_masked() -> None:
    secret = "sk_live_0123456789abcdefghijklmnopqrstuvwxyz"
    _output.mask([secret])
    console = Console(file=io.StringIO(), force_terminal=True, width=30, height=20)
    assert isinstance(console.file, io.StringIO)
    with LiveTable(["j"], "t", console) as table:
        table.outcome(OutcomeRecord("j", Outcome.FAILED, "F", None, f"bad token {secret}", 1, 1.0))
    assert "sk_live" not in console.file.getvalue()
    assert "tuvwxyz" not in console.file.getvalue()


def test_nothing_is_written_when_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=20)
    assert isinstance(console.file, io.StringIO)
    with LiveTable(["j"], "t", console) as table:
        table.transition(state(Phase.RUNNING, 0))
        table.refresh({"j": Standing(1)})
        before = console.file.getvalue()
        table.refresh({"j": Standing(1)})
        assert console.file.getvalue() == before
        table.refresh({"j": Standing(2)})
        assert "(2 looks)" in console.file.getvalue()[len(before) :]


def test_without_colour_there_are_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=20)
    assert isinstance(console.file, io.StringIO)
    with LiveTable(["j"], "t", console) as table:
        table.transition(state(Phase.RUNNING, 0))
    assert not re.search(r"\x1b\[[\d;]*3\d", console.file.getvalue())
    assert "━" in console.file.getvalue()
