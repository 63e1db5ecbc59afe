"""aiohttp, imported in a thread: it takes a fifth of a second, and a service's loop is not to stand still for that.

Python's locks are one a module, so whoever else imports aiohttp meanwhile waits until it is there, and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import sys
from importlib import import_module
from typing import Final

from .threads import Threads

_OURS: Final = ("fast", "idle", "resolver", "session")
"""The modules of this folder that import it."""


class LateImport:
    """Imports aiohttp, and what of ours needs it, once.

    Attributes:
        is_done: Whether it is there; else `done` is to be awaited before a request is made.
    """

    def __init__(self) -> None:
        self.is_done = False
        self._turn = asyncio.Lock()

    async def done(self) -> None:
        """Have it imported: in a thread, unless the program has imported aiohttp for itself, and the rest is quick."""
        async with self._turn:
            if self.is_done:
                return
            if _is_there("aiohttp"):
                _import()
            else:
                await Threads(1, contextvars.copy_context(), "jobwatch import").call(_import)
            self.is_done = True


@functools.cache  # to find out five times that a module is there takes a client a thirtieth of a millisecond
def _import() -> None:
    import_module("aiohttp")
    for name in _OURS:
        import_module(f".{name}", __package__)
    with contextlib.suppress(ImportError):  # what anyio imports at its first shield, as when a client is closed
        import_module("anyio._backends._asyncio")


def _is_there(name: str) -> bool:
    """Whether a module is imported, and not just being imported by somebody else."""
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
