"""First looks without aiohttp, also where aiohttp is imported already, as in tests."""

from __future__ import annotations

from weakref import WeakSet

import pytest

from jobwatch._http import first
from jobwatch._http.target import Target
from jobwatch._http.transport import Transport


def begin_all_without_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every transport that is made from now on make its first look without aiohttp, if it is a plain one."""
    prepared = Transport.prepared
    begun: WeakSet[Transport] = WeakSet()

    def begin(transport: Transport, path: str, query: str | None = None, body: bytes | None = None) -> Target:
        if transport not in begun:
            begun.add(transport)
            transport.begin_without_aiohttp()
        return prepared(transport, path, query, body)

    monkeypatch.setattr(first, "is_worth_it", lambda: True)
    monkeypatch.setattr(Transport, "prepared", begin)
