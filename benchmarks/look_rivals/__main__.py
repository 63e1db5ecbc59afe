"""Run one rival: ``python -m benchmarks.look_rivals NAME URL JOBS EACH``."""

from __future__ import annotations

import asyncio
import importlib
import sys

name, url, jobs, each = sys.argv[1:]
rival = importlib.import_module(f"benchmarks.look_rivals.{name}")
asyncio.run(rival.looks(url, int(jobs), int(each)))
