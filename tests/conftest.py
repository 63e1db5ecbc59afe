"""What all tests share."""

from __future__ import annotations

import asyncio

# pytest-asyncio asks for the current event loop before its first test, and on Python 3.11 that makes one which
# nobody closes; with none to be had it makes its own and closes it.
asyncio.set_event_loop(None)
