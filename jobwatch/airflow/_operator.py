"""The operator: a task that is its job's wait."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, cast

import msgspec
from airflow.sdk import BaseOperator

from .._core.ends import Names, ends_of
from .._errors import ConfigError
from .._models import Outcome
from .._reading.periods import Duration, seconds_given
from .._reading.sizes import size_of
from ._cursor import TaskKey, begin_cursor, drop_cursor
from ._ended import RETRIED, JobRecord, Verdict, ended_of, retried, verdict_on
from ._exceptions import AirflowException, AirflowFailException
from ._link import JobwatchLink
from ._trigger import JobwatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

_LATE = 60.0
"""How long after the wait's own time limit Airflow ends the deferral, in seconds: no triggerer runs then."""


class JobwatchOperator(BaseOperator):
    """Waits for a job on somebody else's HTTP API, in the triggerer, and ends as the job did.

    It starts and cancels no job. Returned, and so in XCom, is what is known of the finished job, as JSON values:
    ``id``, ``status``, ``outcome``, ``error``, ``result``, ``url``, ``ran``, the times and more.

    Args:
        job_id: The job's id, or its URL at the API; a template, or an earlier task's output.
        api: The name of a built-in API (``jobwatch apis`` lists them), or the path of a table where the triggerer is.
        conn_id: The Airflow connection that holds the token as its password, and the address as its host where it is
            not the vendor's. It is read in the triggerer. By default the API's variables there are.
        api_params: What stands in the API's URLs beside the id: GitHub's ``owner`` and ``repo``.
        timeout: How long to wait at most: seconds, a text such as ``"6h"``, or a `timedelta`. By default the task's
            ``execution_timeout``, which bounds no deferral by itself.
        accept: Which ends are good besides success: ``{"partial"}``, ``{"finished"}``, ``{"cancelled"}``.
        fail_on: ``{"blocked"}`` has the task fail once the job is known to wait for a person.
        retry_on: After which outcomes the task's ``retries`` take place. By default after those that say nothing of the
            job (``timeout``, ``unreachable``, ``unreadable``, ``auth``, ``not_found``): one that has ended badly
            has done so at the next try, too, unless that starts another one.
        max_result: How large the job's result may be, as JSON, to go into XCom: ``"1MiB"``, or bytes. A larger one is
            left out, which ``result_bytes`` then tells.
        keep_cursor: Whether what was seen of the job is kept in the XCom ``jobwatch_cursor`` while the task waits,
            so that nothing is told again when the triggerer is restarted. By default as ``do_xcom_push``.
        kwargs: Those of every operator.

    Raises:
        ConfigError: An argument makes no sense.
    """

    template_fields = ("job_id", "api", "conn_id", "api_params")
    operator_extra_links = (JobwatchLink(),)
    ui_color = "#dbeafe"

    def __init__(
        self,
        *,
        job_id: str | int | XComArg,
        api: str,
        conn_id: str | None = None,
        api_params: Mapping[str, str] | None = None,
        timeout: Duration | None = None,
        accept: Names = (),
        fail_on: Names = (),
        retry_on: Names = RETRIED,
        max_result: int | str = 48_000,
        keep_cursor: bool | None = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**cast("dict[str, Any]", kwargs))
        ends_of(accept, fail_on)
        self.job_id = job_id
        self.api = api
        self.conn_id = conn_id
        self.api_params = api_params
        self.timeout = None if timeout is None else seconds_given("timeout", timeout, above_zero=True)
        self.accept = _words(accept)
        self.fail_on = _words(fail_on)
        self.retry_on = sorted(each.value for each in retried(retry_on))
        try:
            self.max_result = size_of(max_result)
        except ValueError as error:
            raise ConfigError(f"max_result: {error}") from None
        self.keep_cursor = keep_cursor
        self.job_url = ""

    def execute(self, context: Context) -> NoReturn:
        """Give the wait to a triggerer, at once: no look is made here."""
        job_id = str(self.job_id).strip()
        if job_id in {"", "None"}:  # the latter is what a template makes of an XCom that is not there
            raise AirflowFailException("job_id is empty: the task that should have started the job has told no id")
        limits = [self.timeout, None if self.execution_timeout is None else self.execution_timeout.total_seconds()]
        timeout = min(filter(None, limits), default=0.0)
        wait = uuid.uuid4().hex if self._keeps_cursor else ""
        if wait:
            begin_cursor(_task_in(context), wait)
        trigger = JobwatchTrigger(
            job_id,
            self.api,
            conn_id=self.conn_id or "",
            api_params=msgspec.json.encode(self.api_params or {}).decode(),
            accept=",".join(self.accept),
            fail_on=",".join(self.fail_on),
            timeout=timeout,
            deadline=time.time() + timeout if timeout else 0.0,
            max_result=float(self.max_result),
            wait=wait,
            deferred_at=time.time(),
        )
        self.log.info("waiting for job %s of %s in the triggerer", job_id, self.api)
        late = timedelta(seconds=timeout + _LATE) if timeout else None
        self.defer(trigger=trigger, method_name="execute_complete", timeout=late)

    def execute_complete(self, context: Context, event: Mapping[str, object]) -> JobRecord | None:
        """Take the trigger's event: return what is known of the job, or raise what went wrong.

        Raises:
            AirflowFailException: The task fails, and is not tried again.
            AirflowException: It fails, and is tried again while it has ``retries``.
        """
        if self._keeps_cursor:
            drop_cursor(_task_in(context))
        try:
            ended = ended_of(event)
        except ConfigError as error:
            raise AirflowFailException(str(error)) from None
        url = None if ended.job is None else ended.job.get("url")
        self.job_url = url if isinstance(url, str) else ""
        match verdict_on(ended, {Outcome(each) for each in self.retry_on}):
            case Verdict.SUCCESS:
                self._tell_left_out(ended.job)
                return ended.job
            case Verdict.RETRY:
                raise AirflowException(ended.told)
            case Verdict.FAIL:
                raise AirflowFailException(ended.told)

    @property
    def _keeps_cursor(self) -> bool:
        return self.do_xcom_push if self.keep_cursor is None else self.keep_cursor

    def _tell_left_out(self, job: JobRecord | None) -> None:
        if job is not None and "result_bytes" in job:
            told = "the job's result is left out: it has %s bytes, and max_result is %s"
            self.log.warning(told, job["result_bytes"], self.max_result)


def _task_in(context: Context) -> TaskKey:
    return context["ti"]  # pyright: ignore[reportTypedDictNotRequiredAccess] - it is always there


def _words(names: Names) -> list[str]:
    return sorted(each.value if isinstance(each, Outcome) else each.strip().lower() for each in names)
