"""Charts drawn by the real Mermaid in Chromium, and their bars compared with the times.

It installs Mermaid into a temporary folder by npm, and needs Chromium: Debian's package of that name, or another
browser named by the variable CHROMIUM. It is in no run of the tests; those read the charts by a grammar
(``test_mermaid.py``). ``python -m tests.report.mermaid`` runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

from jobwatch._models import Outcome, Phase
from jobwatch._report.mermaid import gantt
from jobwatch._report.model import Entered, Report, ReportedJob, made

VERSION = "11.17.2"
T = 1_764_403_200.0
NEAR = 1.5
"""By how many pixels a bar may be off: Mermaid rounds."""

NASTY = (
    *(
        "title x",
        "Section: y",
        "excludes weekends",
        "todayMarker off",
        "click here",
        "dateFormat X",
        "topAxis",
        "gantt",
    ),
    *("a:b:c", "12:40 run", "j#1; x", "%%{init: {'theme': 'dark'}}%%", "%% a remark", "```", "<b>bold</b>", "a, b, c"),
    *(
        "done, crit, x",
        "#colon;",
        "&amp; &#58;",
        'a "quoted" b',
        "back\\slash",
        "ünïcode 日本 🎉",
        "after x",
        "x" * 500,
    ),
    *("<img src=x onerror=alert(1)>", "accTitle: x", "accDescr { x }", "---", "end", "1. 2, 3", "tickInterval 1day"),
)

_PAGE = """<!doctype html><meta charset="utf-8"><body><div id="box" style="width:1200px"></div><pre id="found"></pre>
<script src="mermaid.js"></script><script>
const charts = CHARTS;
(async () => {
  const found = [];
  mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
  for (const [name, text] of Object.entries(charts)) {
    try {
      const { svg } = await mermaid.render("chart" + found.length, text, document.getElementById("box"));
      const holder = document.createElement("div"); holder.style.width = "1200px";
      document.body.append(holder); holder.innerHTML = svg;
      const number = (rect, name) => +rect.getAttribute(name);
      const bars = [...holder.querySelectorAll("rect.task")].map(rect => ({ x: number(rect, "x"),
        y: number(rect, "y"), width: number(rect, "width"), kind: rect.getAttribute("class") }));
      const kinds = ["", "OutsideRight", "OutsideLeft"].map(place => "text.taskText" + place).join();
      const names = [...holder.querySelectorAll(kinds)].map(t => t.textContent.trim());
      const sections = [...holder.querySelectorAll("text.sectionTitle")].map(t => t.textContent.trim());
      found.push({ name, bars, names, sections,
        error: holder.querySelector("svg").getAttribute("aria-roledescription") === "error" });
      holder.remove();
    } catch (error) { found.push({ name, bars: [], names: [], sections: [], error: String(error) }); }
  }
  document.getElementById("found").textContent = JSON.stringify(found);
})();
</script></body>"""


def reports() -> dict[str, Report]:
    """Return reports whose charts have what Mermaid is known to draw wrongly, each with a name."""
    nasty = [
        job(
            word,
            [(word, Phase.PENDING, 0.0), (f"{word} {word}", Phase.RUNNING, 1.0 + place), (word, Phase.FAILED, 90.0)],
        )
        for place, word in enumerate(NASTY)
    ]
    return {
        "one job": of(
            job(
                "job_1",
                [("PENDING", Phase.PENDING, 0.0), ("RUNNING", Phase.RUNNING, 2.0), ("DONE", Phase.SUCCEEDED, 88.0)],
            )
        ),
        "each name": of(*nasty),
        "a moment in an hour": of(
            job("short", [("RUNNING", Phase.RUNNING, 0.0), ("DONE", Phase.SUCCEEDED, 0.004)]),
            job("long", [("RUNNING", Phase.RUNNING, 0.0), ("DONE", Phase.SUCCEEDED, 3600.0)]),
        ),
        "days": of(
            job("night", [("A", Phase.PENDING, 0.0), ("B", Phase.RUNNING, 86_400.0), ("C", Phase.CANCELLED, 400_000.5)])
        ),
        "goes on": of(job("open", [("RUNNING", Phase.RUNNING, 0.25), ("ASKS", Phase.BLOCKED, 10.5)], until=60.125)),
        "ends only": of(job("a", [("DONE", Phase.SUCCEEDED, 5.0)]), job("b", [("DONE", Phase.FAILED, 65.0)])),
        "as many as there is room for": of(
            *(
                job(
                    f"{number}" * 60,
                    [("P" * 60, Phase.PENDING, 0.0), ("R" * 60, Phase.RUNNING, number + 1.0)],
                    until=2000.0,
                )
                for number in range(800)
            )
        ),
    }


def of(*jobs: ReportedJob) -> Report:
    """Return a report of jobs."""
    return Report(jobs=jobs)


def job(name: str, states: list[tuple[str, Phase, float]], until: float | None = None) -> ReportedJob:
    """Return a job that entered states at so many seconds after `T`."""
    entered = [Entered(status=status, phase=phase, at=T + at, seen_at=T + at) for status, phase, at in states]
    outcome = Outcome.FAILED if states[-1][1] is Phase.FAILED else None
    return made(ReportedJob(job_id=name, outcome=outcome), entered, None if until is None else T + until)


def drawn(charts: dict[str, str]) -> list[dict[str, object]]:
    """Return what Mermaid draws of charts: bars, names and whether it was an error."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("no browser: install Debian's package chromium, or name one by the variable CHROMIUM")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["npm", "install", "--silent", "--prefix", name, f"mermaid@{VERSION}"], check=True, cwd=folder)
        shutil.copy(folder / "node_modules/mermaid/dist/mermaid.min.js", folder / "mermaid.js")
        (folder / "page.html").write_text(_PAGE.replace("CHARTS", json.dumps(charts).replace("<", "\\u003c")), "utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
        command = [browser, *options, f"--user-data-dir={folder / 'profile'}", (folder / "page.html").as_uri()]
        page = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
    found = re.search(r'<pre id="found">(.*?)</pre>', page, re.DOTALL)
    if found is None or not found[1]:
        raise SystemExit("Chromium has drawn nothing")
    result: list[dict[str, object]] = json.loads(unescape(found[1]))
    return result


def wrong(report: Report, chart: dict[str, object]) -> list[str]:
    """Return what is wrong with a chart that was drawn."""
    text = gantt(report).text
    told = [
        [int(at) for at in re.findall(r"\d{12,}", line)[-2:]]
        for line in text.splitlines()
        if re.match(r" +\d+\. .* :", line)
    ]
    bars = chart["bars"]
    assert isinstance(bars, list)
    bars.sort(key=lambda bar: bar["y"])  # they are drawn in the order of their times, each in a row of its own
    if chart["error"]:
        return [f"error: {chart['error']}"]
    if len(bars) != len(told):
        return [f"{len(bars)} bars for {len(told)} states"]
    first, last = min(begin for begin, _ in told), max(end for _, end in told)
    centres = [(bar["x"] + bar["width"] / 2, bar["width"], "milestone" in bar["kind"]) for bar in bars]
    plain = [(bar["x"], bar["x"] + bar["width"]) for bar in bars if "milestone" not in bar["kind"]]
    problems = []
    left = min([begin for begin, _ in plain] + [x for x, _, mark in centres if mark])
    right = max([end for _, end in plain] + [x for x, _, mark in centres if mark])
    scale = (right - left) / (last - first)
    for (begin, end), (centre, width, is_mark) in zip(told, centres, strict=True):
        middle = left + ((begin + end) / 2 - first) * scale
        if abs(centre - middle) > NEAR:
            problems.append(f"bar at {centre:.1f} px, and {middle:.1f} is right")
        if not is_mark and abs(width - (end - begin) * scale) > NEAR:
            problems.append(f"bar of {width:.1f} px, and {(end - begin) * scale:.1f} is right")
    sections = chart["sections"]
    names = chart["names"]
    assert isinstance(names, list)
    assert isinstance(sections, list)
    if len(names) != len(told) or not all(re.match(r"\d+\. .", name) for name in names):
        problems.append(f"names: {names}")
    if len(sections) != text.count("    section ") or not all(re.match(r"\d+\. .", name) for name in sections):
        problems.append(f"sections: {sections}")
    return problems


def main() -> int:
    """Draw all charts and print what is wrong with each."""
    all_reports = reports()
    charts = {name: gantt(report).text for name, report in all_reports.items()}
    # As a check of the check: what is known to be drawn wrongly must be found.
    charts["(wrong on purpose)"] = charts["one job"].replace("dateFormat x", "dateFormat X")
    all_reports["(wrong on purpose)"] = all_reports["one job"]
    bad = 0
    for chart in drawn(charts):
        name = str(chart["name"])
        problems = wrong(all_reports[name], chart)
        bars = chart["bars"]
        assert isinstance(bars, list)
        print(f"{name}: {len(charts[name])} characters, {len(bars)} bars: {'; '.join(problems[:4]) or 'right'}")
        bad += bool(problems) != name.startswith("(")
    return 1 if bad else 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(main())
