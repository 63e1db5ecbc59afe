"""The clients of a triggerer: triggers that ask the same API in the same way share one, and with it its budget."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import TYPE_CHECKING, TypeAlias

from .._client.access import job_id_of
from .._client.client import Client

if TYPE_CHECKING:
    from msgspec import Struct

AnyClient: TypeAlias = "Client[Struct | None]"


class _Shared:
    """A client, who uses it, and whether they go on from where an earlier wait was."""

    def __init__(self, client: AnyClient) -> None:
        self.client = client
        self.users: list[tuple[str, bool]] = []

    def has_room_for(self, job_id: str, *, resumes: bool) -> bool:
        """Whether a wait may join: one that goes on from an earlier one is to be its job's only one here."""
        return not any(used == job_id and (resumes or resumed) for used, resumed in self.users)


class SharedClients:
    """Clients by what they ask, each closed when the last who uses it is done."""

    def __init__(self) -> None:
        # By loop, since a client belongs to one: `dag.test()` runs each trigger in a loop of its own.
        self._of_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, _Shared]] = (
            weakref.WeakKeyDictionary()
        )

    def __len__(self) -> int:
        return sum(map(len, self._of_loop.values()))

    @contextlib.asynccontextmanager
    async def lent(
        self, key: Hashable, made: Callable[[], AnyClient], job: str, *, resumes: bool
    ) -> AsyncGenerator[AnyClient]:
        """Lend a client.

        Args:
            key: What it asks, and how; whoever brings the same gets the same client.
            made: Makes it, if there is none.
            job: The job that it is asked about, its id or its URL.
            resumes: Whether that goes on from what an earlier wait knew. Two tasks may wait for one job; they share its
                looks, but of those that go on each gets a client of its own: they may have been told of it differently.

        Raises:
            ConfigError: It cannot be made, or the id cannot be one of its API.
        """
        clients = self._of_loop.setdefault(asyncio.get_running_loop(), {})
        shared = clients.get(key)
        if shared is None:
            shared = _Shared(made())
        job_id = job_id_of(shared.client, job)
        if not shared.has_room_for(job_id, resumes=resumes):
            key, shared = object(), _Shared(made())
        clients[key] = shared
        user = (job_id, resumes)
        shared.users.append(user)
        try:
            yield shared.client
        finally:
            shared.users.remove(user)
            if not shared.users:
                del clients[key]
                await shared.client.aclose()
