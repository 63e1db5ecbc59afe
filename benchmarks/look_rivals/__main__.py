"""Run one rival: ``python -m benchmarks.look_rivals NAME URL JOBS EACH [asyncio|uvloop]``."""

from __future__ import annotations

import importlib
import sys

from . import run_on

name, url, jobs, each, *loop = sys.argv[1:]
rival = importlib.import_module(f"benchmarks.look_rivals.{name}")
run_on(loop[0] if loop else "asyncio", rival.looks(url, int(jobs), int(each)))
