"""What ``jobwatch watch`` shows at one time, as lines that fill a terminal's width and height. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace
from rich.cells import set_cell_size

from .._models import Outcome, Phase, both_words, need
from .._report.model import State
from .._report.overview import Row as WatchedRow
from .._report.overview import Totals
from .._watching.changes import Health
from .._watching.viewing import Origin, Watching
from ._bars import ASCII, END_STYLES, PHASE_STYLES, Piece, bar, scale_of, spans
from ._endings import time_of_day
from ._frame import Line, Screen, row_lines
from ._render import human_duration, percent
from ._rows import Row, cut, end_mark, flowed, left_text, mark, notes, time_now, width_of, wrapped
from ._watch_keys import Mode, View, Which
from ._watch_news import Written
from ._watch_rows import Clean, Drawn, place_of

_CURSOR = 2
"""How many columns the mark of the selected job takes."""

_MOST_NOTES = 2
"""How many lines are taken by what a job asks, in the list; its details have all."""

_TALL, _LOW = 16, 8
"""From how many lines on there is a line about requests and the like; and one that says what keys do."""

_WIDE = 72
"""From how many columns on it is said how long the whole of a bar is."""

_OPEN_BAR = 48
"""How many columns wide the bar of a job's details is at most."""


class Scene(Struct, frozen=True):
    """What is shown.

    Attributes:
        title: What is watched.
        origin: Where it comes from.
        totals: All jobs in numbers.
        rows: The jobs that are listed, in order.
        view: What is looked at.
        now: The time, in Unix seconds.
        longest: How many columns the longest name of all jobs takes.
        opened: The job whose details are looked at, if one is.
        written: The end of what that job wrote, if it has failed.
        note: What was last noted on stderr.
        has_keys: Whether keys can be pressed.
    """

    title: str
    origin: Origin
    totals: Totals
    rows: Sequence[WatchedRow]
    view: View
    now: float
    longest: int
    opened: WatchedRow | None = None
    written: Written | None = None
    note: str = ""
    has_keys: bool = True


class Shown(Struct, frozen=True):
    """What was drawn.

    Attributes:
        lines: As many lines as the screen has, none wider than it.
        view: What is looked at, with places that are there.
        page: How many lines there were for jobs, or for a job's details.
    """

    lines: list[Line]
    view: View
    page: int


def shown(scene: Scene, screen: Screen, draw: Drawn) -> Shown:
    """Return what is shown.

    Args:
        scene: What there is to show.
        screen: What it is shown on.
        draw: Makes rows of the live table of jobs, and what others have made up safe to print.
    """
    view = scene.view
    if view.mode is Mode.DETAILS and scene.opened is not None:
        found = _details(scene, scene.opened, screen, draw)
    else:
        listing = _with(view, mode=Mode.LIST, top=0) if view.mode is Mode.DETAILS else view
        found = _list(scene, listing, screen, draw)
    return replace(found, lines=[_fitted(line, screen.width) for line in found.lines])


def _fitted(line: Line, width: int) -> Line:
    """Return a line that is no wider than the screen: on one of a few columns nothing else has seen to that."""
    # No letter is wider than two columns, which says enough of most lines, a hundred of them five times a second.
    if sum([len(text) for text, _ in line]) * 2 <= width or sum([width_of(text) for text, _ in line]) <= width:
        return line
    fitted: Line = []
    left = width
    for text, style in line:
        fitted.append((set_cell_size(text, min(left, width_of(text))), style))
        left -= width_of(fitted[-1][0])
    return fitted


def _with(view: View, *, mode: Mode | None = None, top: int) -> View:
    return replace(view, mode=view.mode if mode is None else mode, top=top)


# --- the list -----------------------------------------------------------------------------------------------------


def _list(scene: Scene, view: View, screen: Screen, draw: Drawn) -> Shown:
    head = heading(scene, screen, draw.clean)
    room = max(1, screen.height - len(head) - (screen.height >= _LOW))
    rows = scene.rows
    at = place_of(view, rows)
    heights = _heights(rows, screen, room, at)
    top, last = _window(heights, room, min(view.top, at), at)
    body, scale = _rows(scene, list(zip(rows[top:last], heights[top:last], strict=True)), screen, draw, at - top)
    draw.keep(row.job_id for row in rows[top:last])
    if not rows:
        body = [[(cut(_nothing(scene, view), screen.width, screen.glyphs.cut), "dim")]]
    body = body[:room] + [[] for _ in range(room - len(body))]
    foot: list[Line] = []
    if screen.height >= _LOW:
        place = "" if (top, last) == (0, len(rows)) else f"{top + 1}-{last} of {len(rows)}"
        whole = f"whole bar {human_duration(scale)}" if scale and screen.width >= _WIDE else ""
        foot = [_footing(scene, view, screen, "  ".join(filter(None, (whole, place))))]
    return Shown([*head, *body, *foot][: screen.height], _with(view, top=top), room)


def _nothing(scene: Scene, view: View) -> str:
    if view.words or view.which is not Which.ALL:
        return "No job is like that; Escape shows all."
    return "No jobs yet; new ones come by themselves." if scene.origin.projects or scene.origin.journal else "No jobs."


def _window(heights: Sequence[int], room: int, top: int, at: int) -> tuple[int, int]:
    """Return which jobs are shown: from which place on, and up to before which.

    Args:
        heights: How many lines each of the listed jobs takes.
        room: How many lines there are for them.
        top: From which place on they were shown so far.
        at: The place that must be in view.
    """
    lines = 0
    for place in range(min(at, len(heights) - 1), top - 1, -1):  # upwards from the cursor, as far as there is room
        lines += heights[place]
        if lines > room and place < at:
            top = place + 1
            break
    last, lines = top, 0
    while last < len(heights) and (lines := lines + heights[last]) <= room:
        last += 1
    last = min(len(heights), max(last, top + 1))
    if last == len(heights):  # nothing follows: what comes before fills the rest
        lines = sum(heights[top:])
        while top > 0 and (lines := lines + heights[top - 1]) <= room:
            top -= 1
    return top, last


def _heights(rows: Sequence[WatchedRow], screen: Screen, room: int, at: int) -> list[int]:
    """Return how many lines each job takes: those that ask have fewer beside their own where there are many of them."""
    asking = sum(row.asks for row in rows)
    if not asking:
        return [1] * len(rows)
    most = next((most for most in range(_MOST_NOTES, 0, -1) if asking * (1 + most) <= room * 2 // 3), 0)
    heights: list[int] = []
    for place, row in enumerate(rows):
        allowed = (_MOST_NOTES if place == at else most) if row.asks else 0
        heights.append(1 + (min(allowed, len(_asked(row, screen))) if allowed else 0))
    return heights


def known_until(scene: Scene) -> float:
    """Return up to when it is known how things stand: of a journal that nobody writes, when it was last written."""
    written_at = scene.origin.written_at
    if scene.origin.watching is not Watching.NOBODY or written_at is None:
        return scene.now
    return min(scene.now, written_at)


def _asked(row: WatchedRow, screen: Screen) -> list[str]:
    """Return how what a job asks is broken into lines; made safe it may be longer, which is cut."""
    width = max(8, screen.width - _CURSOR - 2)
    return wrapped(need(row.job.asked, row.job.url), width)


def _rows(
    scene: Scene, rows: Sequence[tuple[WatchedRow, int]], screen: Screen, draw: Drawn, selected: int
) -> tuple[list[Line], float]:
    now = known_until(scene)
    drawn = [draw(row, now) for row, _ in rows]
    narrower = Screen(max(1, screen.width - _CURSOR), screen.height, screen.glyphs)
    table = row_lines(drawn, now, narrower, scene.longest)
    lines: list[Line] = []
    for number, (row, line) in enumerate(zip(drawn, table.lines, strict=True)):
        is_selected = number == selected and scene.has_keys
        lines.append([("> " if is_selected else "  ", "bold"), *_chosen(line, is_chosen=is_selected)])
        if rows[number][1] > 1:
            lines += _need(row, screen, rows[number][1] - 1)
    return lines, table.scale


def _need(row: Row, screen: Screen, most: int) -> list[Line]:
    """Return what a job asks on so many lines at most."""
    width = max(8, screen.width - _CURSOR - 2)
    text, style = notes(row)[0]
    parts = wrapped(text, width)
    if len(parts) > most:
        parts = [*parts[: most - 1], f"{cut(parts[most - 1], width - 3, '')} {screen.glyphs.cut}"]
    return [[(" " * (_CURSOR + 2), ""), (part, style)] for part in parts]


def _chosen(line: Line, *, is_chosen: bool) -> Line:
    """Return a line with its name set off, which is its second piece."""
    if not is_chosen or len(line) < 2:
        return line
    name, style = line[1]
    return [line[0], (name, f"{style} reverse".strip()), *line[2:]]


# --- around it ----------------------------------------------------------------------------------------------------


def heading(scene: Scene, screen: Screen, clean: Clean) -> list[Line]:
    """Return the lines above: what is watched and by whom, the jobs in numbers, what it costs, what is wrong."""
    width = screen.width
    title = [[(line, "bold")] for line in wrapped(scene.title, width)[:2]]
    counts = flowed([[piece] for piece in counted(scene.totals)], width)[:2]
    lines = [*title, *counts]
    if screen.height >= _TALL:
        lines.append([(cut(cost(scene), width, screen.glyphs.cut), "dim")])
    wrong = [
        scene.origin.trouble,
        *(f"{name}: {why}" for name, why in scene.origin.projects.items() if why),
        scene.note,
    ]
    lines += [[(cut(clean(text), width, screen.glyphs.cut), "bold yellow")] for text in list(filter(None, wrong))[:2]]
    return lines


def counted(totals: Totals) -> list[Piece]:
    """Return all jobs in numbers, those first that somebody has to do something about."""
    asking = totals.phases.get(Phase.BLOCKED, 0)
    found: list[Piece] = []

    def add(count: int, word: str, style: str) -> None:
        if count:
            found.append((f"{count} {word}", style))

    add(asking, "waits for a person" if asking == 1 else "wait for a person", PHASE_STYLES[Phase.BLOCKED])
    for outcome, count in totals.ended.items():
        if outcome is not Outcome.SUCCEEDED:
            add(count, outcome.value.replace("_", " "), f"bold {END_STYLES.get(outcome, 'yellow')}")
    add(totals.late, "late", "bold yellow")
    for health, count in totals.troubled.items():
        if health is not Health.OK:
            add(count, health.value, "bold yellow")
    for phase in (Phase.RUNNING, Phase.UNKNOWN, Phase.PENDING):
        add(totals.phases.get(phase, 0), phase.value, PHASE_STYLES[phase])
    add(totals.unread, "not read yet", "dim")
    add(totals.dropped, "watched no more", "dim")
    add(totals.ended.get(Outcome.SUCCEEDED, 0), "succeeded", END_STYLES[Outcome.SUCCEEDED])
    told = [(f"{text},", style) for text, style in found[:-1]]
    return [*told, *found[-1:]] or [("no jobs yet", "dim")]


def cost(scene: Scene) -> str:
    """Return what the watching costs and how late it is, or how old what others have written is."""
    stats, origin = scene.totals.stats, scene.origin
    if stats is None:
        if origin.written_at is None:
            return "read only"
        ago = human_duration(max(0.0, scene.now - origin.written_at))
        stood = "this is how things stood then" if origin.watching is Watching.NOBODY else "read only"
        return f"last written {ago} ago; {stood}"
    faults = sum(stats.faults.values())
    parts = [f"{stats.requests} request{'' if stats.requests == 1 else 's'}"]
    if faults:
        parts.append(f"{faults} failed")
    allowed = "" if stats.rate is None else f" of {_rate(stats.rate)} allowed"
    parts.append(f"{_rate(stats.demand)} a second{allowed}")
    if stats.lag.count:
        parts.append(f"ends known {human_duration(stats.lag.mean)} late, {human_duration(stats.lag.max)} at most")
    return ", ".join(parts)


def _rate(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10.0 else f"{rate:.1f}" if rate >= 0.05 or not rate else f"{rate:.2g}"


def _footing(scene: Scene, view: View, screen: Screen, place: str) -> Line:
    if view.mode is Mode.FILTER:
        return _ends(f"filter: {view.words}_   Enter keep, Esc clear", place, screen)
    if not scene.has_keys:
        return _ends("Ctrl-C ends", place, screen)
    held = [] if view.which is Which.ALL else [f"only: {view.which.value}"]
    held += [f"filter: {view.words}"] if view.words else []
    moves = "Up/Down move" if screen.glyphs is ASCII else "↑↓ move"
    keys = [*held, "q quit", "Esc all"] if held else ["q quit", "Enter details", "/ filter", "f only some", moves]
    room = screen.width - (width_of(place) + 2 if place else 0)
    while len(keys) > 1 and width_of(", ".join(keys)) > room:
        keys.pop()
    return _ends(", ".join(keys), place, screen)


def _ends(left: str, right: str, screen: Screen) -> Line:
    """Return a line with a text at either end."""
    room = max(0, screen.width - (width_of(right) + 2 if right else 0))
    text = set_cell_size(cut(left, room, screen.glyphs.cut), room)
    return [(text, "dim"), (f"  {right}" if right else "", "dim")]


# --- one job ------------------------------------------------------------------------------------------------------


def _details(scene: Scene, row: WatchedRow, screen: Screen, draw: Drawn) -> Shown:
    drawn = draw(row, known_until(scene))
    body = _about_job(scene, row, drawn, screen, draw.clean)
    foot = int(screen.height >= _LOW)
    room = max(1, screen.height - foot)
    top = min(scene.view.top, max(0, len(body) - room))
    visible = body[top : top + room]
    visible += [[] for _ in range(room - len(visible))]
    lines = [*visible]
    if foot:
        place = f"{top + 1}-{min(top + room, len(body))} of {len(body)}" if len(body) > room else ""
        lines.append(_ends("Esc back, n next, p previous", place, screen))
    return Shown(lines, _with(scene.view, top=top), room)


def _about_job(scene: Scene, row: WatchedRow, drawn: Row, screen: Screen, clean: Clean) -> list[Line]:
    width, glyphs = screen.width, screen.glyphs
    lines: list[Line] = []
    for number, part in enumerate(wrapped(drawn.name, max(8, width - 2))):
        lines.append([mark(drawn, glyphs) if not number else (" ", ""), (f" {part}", "bold")])
    now = known_until(scene)
    lines += [[(part, style)] for text, style in _standing(row, drawn, now) for part in wrapped(text, width)]
    lines.append([])
    lines += _states(row, drawn, now, screen, clean)
    for heading, text, style in _facts(scene, row, clean):
        parts = wrapped(text, max(8, width - 2)) if len(heading) + 2 + width_of(text) > width else [text]
        if len(parts) == 1 and len(heading) + 2 + width_of(parts[0]) <= width:
            lines.append([(f"{heading}  ", "dim"), (parts[0], style)])
        else:
            lines.append([(heading, "dim")])
            lines += [[("  ", ""), (part, style)] for part in parts]
    return lines if scene.written is None else [*lines, *_wrote(scene.written, width, clean)]


def _wrote(written: Written, width: int, clean: Clean) -> list[Line]:
    name, told = written
    lines: list[Line] = [[], [(f"wrote last ({clean(name)})", "dim")]]
    for each in told:
        style = "dim" if each.is_remark else ""
        lines += [[("  ", ""), (part, style)] for part in wrapped(clean(each.text.expandtabs()), max(8, width - 2))]
    return lines


def _standing(row: WatchedRow, drawn: Row, now: float) -> list[Piece]:
    """Return how a job stands, in words, and what is asked of somebody or wrong."""
    age, job = row.age(now), row.job
    parts = [drawn.kind if job.status is None else f"{drawn.states[-1].status if drawn.states else ''}"]
    if drawn.end is not None:
        parts = [drawn.kind, "" if job.ran is None else f"ran {human_duration(job.ran)}"]
    elif age is not None:
        parts.append(f"for {human_duration(age)}")
    if row.goes_on and job.progress is not None:
        parts.append(percent(job.progress))
    parts.append(left_text(drawn.standing.left) if row.goes_on else "")
    if row.is_late(now):
        parts.append("longer than nearly all earlier jobs of its type")
    style = END_STYLES.get(job.outcome, "yellow") if job.outcome else PHASE_STYLES[job.phase or Phase.UNKNOWN]
    return [(", ".join(filter(None, parts)), style), *notes(drawn)]


def _states(row: WatchedRow, drawn: Row, now: float, screen: Screen, clean: Clean) -> list[Line]:
    states = row.job.states
    if not states:
        return []
    width, glyphs = screen.width, screen.glyphs
    taken = spans(drawn.states, now if row.goes_on else row.changed_at, row.age(now))
    end = None if drawn.end is None else end_mark(drawn.end, glyphs)
    longest = sum(seconds for _, seconds in taken)
    lines: list[Line] = [bar(taken, end, scale_of(longest), max(1, min(_OPEN_BAR, width)), glyphs)]
    at = time_now(now)
    for number, state in enumerate(states):
        lasts = None if state.phase.ended else _lasted(row, states, number, now)
        when = f"{'~' if state.as_seen else ' '}{time_of_day(time_now(state.began), at)}"
        word = both_words(clean(state.status), state.phase)
        took = "" if lasts is None else human_duration(lasts)
        before = [f"{glyphs.cut} the API leaves out what lay between"] if state.gap else []
        before += [f"  {clean(name)}, at a time that nobody knows" for name in state.untimed]
        lines += [[(cut(text, width, glyphs.cut), "dim")] for text in before]
        room = max(4, width - width_of(when) - 2 - (width_of(took) + 2 if took else 0))
        told = cut(word, room, glyphs.cut)
        lines.append([(f"{when}  ", "dim"), (told, PHASE_STYLES[state.phase]), (f"  {took}" if took else "", "dim")])
    return [*lines, []]


def _lasted(row: WatchedRow, states: Sequence[State], number: int, now: float) -> float:
    """Return for how many seconds a state lasted, or has lasted so far."""
    if number + 1 < len(states):
        return states[number].seconds
    age = row.age(now)
    return states[number].seconds if age is None else age


def _facts(scene: Scene, row: WatchedRow, clean: Clean) -> list[tuple[str, str, str]]:
    """Return what else is known of a job: a name, a value, and how that looks."""
    job, now = row.job, scene.now
    at = time_now(now)

    def when(seconds: float | None) -> str:
        return "" if seconds is None else time_of_day(time_now(seconds), at)

    facts = [
        ("page", clean(job.url or ""), ""),
        ("type", clean(row.type or ""), ""),
        ("API", clean(row.api), ""),
        ("project", clean(row.project_id or ""), ""),
        ("created", when(row.created_at), ""),
        ("watched since", when(row.added_at), ""),
        ("asks since", when(row.blocked_since), "bold"),
        ("end known", _known_after(row), ""),
        ("seen", _health(row), "" if row.health is Health.OK else "yellow"),
        ("looks", _looks(row, scene), ""),
        *(("remark", clean(text), "") for text in row.remarks),
    ]
    return [(name, text, style) for name, text, style in facts if text]


def _known_after(row: WatchedRow) -> str:
    after = row.job.known_after
    if row.end_missed:
        return "never: the API had forgotten the job when it was asked again"
    return "" if after is None else f"{human_duration(after)} after it"


def _health(row: WatchedRow) -> str:
    failed = f", {row.faults} looks in a row have failed" if row.faults > 1 else ""
    return "" if not row.goes_on or (row.health is Health.OK and not failed) else f"{row.health.value}{failed}"


def _looks(row: WatchedRow, scene: Scene) -> str:
    parts = [str(row.job.looks or 0)]
    if row.looked_at is not None:
        word = "the last good one" if scene.origin.watching is Watching.WE else "a good one that told news"
        parts.append(f"{word} {human_duration(max(0.0, scene.now - row.looked_at))} ago")
    if row.goes_on and row.next_look is not None:
        left = row.next_look - scene.now
        parts.append(f"the next in {human_duration(left)}" if left > 0.05 else "the next now")
    return ", ".join(parts)


def title_of(origin: Origin, what: str) -> str:
    """Return what is watched and by whom.

    Args:
        origin: Where the jobs come from.
        what: What was asked for: jobs, projects, a journal's name.
    """
    match origin.watching:
        case Watching.WE:
            return f"Watching {what} on {origin.api}"
        case Watching.OTHERS:
            by = "another process" if origin.pid is None else f"process {origin.pid}"
            return f"{what} of {origin.api}, watched by {by}"
        case Watching.NOBODY:
            return f"{what} of {origin.api}: NOBODY IS WATCHING"
        case Watching.UNKNOWN:
            return f"{what} of {origin.api}; this system does not tell whether anybody is watching"
        case _:
            assert_never(origin.watching)
