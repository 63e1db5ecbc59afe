"""Addresses of hosts, looked up in threads that keep nothing from ending.

The system's look-up can be neither cancelled nor given a limit: where no name server answers it takes 15 seconds and
more, and asyncio's own threads, in which aiohttp has it made, are waited for when the loop ends.
"""

from __future__ import annotations

import contextvars
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from aiohttp.abc import AbstractResolver

from .threads import Threads

if TYPE_CHECKING:
    from aiohttp.abc import ResolveResult

_AT_ONCE: Final = 4
"""How many look-ups may be going on, those included that nobody waits for any more: there is one host, as a rule."""


_FLAGS: Final = 0 if sys.platform == "win32" else socket.AI_ADDRCONFIG
"""Of which families: those that this machine has. Windows without a network would not know localhost then."""


class Resolver(AbstractResolver):
    """Looks up a host as the system does, in a thread of its own.

    Attributes:
        under_way: How many look-ups have no answer yet.
    """

    def __init__(self) -> None:
        self._threads = Threads(_AT_ONCE, contextvars.copy_context(), "jobwatch resolver")
        self.under_way = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host; raise OSError where there is none."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=_FLAGS)
        self.under_way += 1
        try:
            found = await self._threads.call(look_up)
        finally:
            self.under_way -= 1
        if not found:
            raise OSError(None, "no address")
        return [_result(host, *each) for each in found]

    async def close(self) -> None:
        """Do nothing: a thread that still looks up ends by itself."""


def _result(
    host: str,
    family: int,
    _kind: int,
    protocol: int,
    _name: str,
    address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
) -> ResolveResult:
    ip, port = str(address[0]), int(address[1])
    if len(address) == 4 and address[3]:  # a link-local address is one of an interface: RFC 4007, section 11
        ip = f"{ip}%{address[3]}"
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return {"hostname": host, "host": ip, "port": port, "family": family, "proto": protocol, "flags": flags}
