"""Programs that a test runs as processes of their own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

PIPE = asyncio.subprocess.PIPE


@asynccontextmanager
async def python(
    *argv: str, out: int = PIPE, err: int = PIPE, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run this Python with arguments, for 20 s at most; at the end it is killed where it is still there."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, *argv), stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd, env=env
    )
    try:
        async with asyncio.timeout(20):
            yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.communicate()
