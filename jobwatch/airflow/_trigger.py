"""The trigger: what waits in the triggerer while the task takes up no worker."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from .._client.client import Client
from .._errors import ConfigError
from .._models import clock, excerpt, need, printable, state
from ..apis import APIS
from ..apis._files import load_api
from ._clients import AnyClient, SharedClients
from ._connection import options_of, token_of
from ._cursor import Cursor, whole
from ._ended import Ended, event_of, params_of
from ._exceptions import AirflowNotFoundException
from ._link import JobwatchLink
from ._waiting import Wanted, waited

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from .._core.tracker import Watched
    from .._http.options import ClientOptions
    from .._models import Job, Transition

CLIENTS: Final = SharedClients()
"""Those of this process."""

SOONEST: Final = 5.0
"""How long after the deferral an event is yielded at the earliest, in seconds.

Airflow's scheduler fails a task that is resumed before it has heard from the executor that the worker is done with it
("reported that the task instance finished with state success, but the task instance's state attribute is queued"): seen
in 3.3.2 on a loaded machine, with an event two seconds after the deferral.
"""

_PATH: Final = "jobwatch.airflow.JobwatchTrigger"


class JobwatchTrigger(BaseTrigger):
    """Waits for a job in the triggerer, and tells its task how that ended: `JobwatchOperator` makes one.

    Its arguments are texts and numbers, which Airflow keeps in its database; no secret is among them. Triggers of one
    process that have the same API, connection and parameters share a client: its connections and its request budget.
    When the triggerer is restarted, a trigger goes on from what its task's XCom `jobwatch_cursor` says was known.

    Args:
        job_id: The job's id, or its URL at the API.
        api: The name of a built-in API, or the path of a table.
        conn_id: The Airflow connection that holds the token; empty for the API's variables, in the triggerer.
        api_params: What stands in the API's URLs beside the id, as a JSON object.
        accept: Which ends are good besides success, with commas between them.
        fail_on: ``blocked``, or nothing.
        timeout: How long the wait may last in all, in seconds; 0 for as long as it takes.
        deadline: When that is over, in Unix seconds; 0 for never.
        max_result: How many bytes of the job's result are handed to the task.
        wait: What this wait is called in the cursor, a word of its own; empty to keep none.
        deferred_at: When the task was deferred, in Unix seconds: no event is yielded in the first seconds after that.
    """

    def __init__(
        self,
        job_id: str,
        api: str,
        *,
        conn_id: str = "",
        api_params: str = "",
        accept: str = "",
        fail_on: str = "",
        timeout: float = 0.0,
        deadline: float = 0.0,
        max_result: float = 48_000.0,
        wait: str = "",
        deferred_at: float = 0.0,
    ) -> None:
        super().__init__()
        self.job_id = job_id
        self.api = api
        self.conn_id = conn_id
        self.api_params = api_params
        self.accept = accept
        self.fail_on = fail_on
        self.timeout = timeout
        self.deadline = deadline
        self.max_result = max_result
        self.wait = wait
        self.deferred_at = deferred_at

    def serialize(self) -> tuple[str, dict[str, str | float]]:
        """Return where this class is, and its arguments: texts and floats only, which every Airflow reads back."""
        names = ("job_id", "api", "conn_id", "api_params", "accept", "fail_on", "wait")
        numbers = ("timeout", "deadline", "max_result", "deferred_at")
        return _PATH, {name: str(getattr(self, name)) for name in names} | {
            name: float(getattr(self, name)) for name in numbers
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and yield one event. All is left and closed by then, since a trigger that lingers is killed."""
        try:
            ended = await self._waited()
        except ConfigError as error:
            ended = Ended(good=False, outcome=None, told=str(error))
        await asyncio.sleep(min(SOONEST, max(0.0, self.deferred_at + SOONEST - time.time())))
        yield TriggerEvent(event_of(ended))

    async def _waited(self) -> Ended:
        key, made = await self._whom_to_ask()
        cursor = Cursor(self.task_instance, self.wait)
        watched = await cursor.read()
        wanted = Wanted(
            watched or self.job_id,
            self.timeout or None,
            max(0.0, self.deadline - time.time()) if self.deadline else None,
            _names(self.accept),
            _names(self.fail_on),
            int(self.max_result),
        )
        async with CLIENTS.lent(key, made, self.job_id, resumes=watched is not None) as client:
            return await waited(client, wanted, _Teller(self, cursor))

    async def _whom_to_ask(self) -> tuple[str, Callable[[], AnyClient]]:
        """Return what the client is shared by, and what makes it; no secret is left in what waits."""
        if not self.conn_id:
            options = options_of(None, params_of(self.api_params))
            return _digest(self.api, "", options, None), partial(_client, self.api, options)
        connection = await _connection(self.conn_id)
        options, token = options_of(connection, params_of(self.api_params)), token_of(connection)
        key = _digest(self.api, self.conn_id, options, token)
        if token is not None:
            options["token"] = partial(_token, self.conn_id)
        return key, partial(_client, self.api, options)

    def tell(self, change: Transition) -> None:
        """Write a state into the task's log."""
        at = f"at {clock(change.at)}" if change.at is not None else f"seen at {clock(change.seen_at)}"
        asked = f": {printable(need(change.asked, change.url))}" if change.asked or change.url else ""
        gap = ", after states that the API left out" if change.gap else ""
        self.log.info("job %s: %s %s%s%s", excerpt(change.job_id), state(change.status, change.phase), at, gap, asked)


class _Teller:
    """Tells the task's log of states, its XCom of what is known, and its link where the job can be seen."""

    def __init__(self, trigger: JobwatchTrigger, cursor: Cursor) -> None:
        self._trigger = trigger
        self._cursor = cursor
        self._url: str | None = None

    def state(self, change: Transition) -> None:
        """Write it into the log."""
        self._trigger.tell(change)

    async def known(self, watched: Watched, job: Job | None) -> None:
        """Keep it."""
        await self._cursor.write(watched)
        if job is not None and job.url is not None and job.url != self._url:
            self._url = job.url
            await self._cursor.show(JobwatchLink.KEY, job.url)


def _names(text: str) -> Collection[str]:
    return {name for name in text.split(",") if name}


def _client(api: str, options: ClientOptions) -> AnyClient:
    return Client(api if api.casefold() in APIS else load_api(api), **options)


async def _connection(conn_id: str) -> Connection:
    try:
        return await whole(BaseHook.aget_connection(conn_id))
    except AirflowNotFoundException:
        raise ConfigError(f"Airflow has no connection {conn_id}") from None


async def _token(conn_id: str) -> str:
    """Read the token: at the first request, and anew after a 401, when somebody may have changed it."""
    found = token_of(await _connection(conn_id))
    if found is None:
        raise ConfigError(f"connection {conn_id} holds no password any more")
    return found


def _digest(api: str, conn_id: str, options: Mapping[str, object], token: str | None) -> str:
    """Return a key for a client, which tells nobody a secret."""
    told = msgspec.json.encode([api, conn_id, options, token], enc_hook=repr)
    return hashlib.sha256(told).hexdigest()
