"""The link from a task to the page of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator

    from ._cursor import TaskKey


class JobwatchLink(BaseOperatorLink):
    """Leads to the page that the API names for the job, from the first look on; where it names none, nowhere."""

    KEY: ClassVar = "_link_JobwatchLink"

    @property
    def name(self) -> str:
        """What stands on its button."""
        return "Job"

    @property
    def xcom_key(self) -> str:
        """The key of the XCom in which the trigger puts it down while the task waits."""
        return self.KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskKey) -> str:  # noqa: ARG002 - Airflow gives it
        """Return what the task knows of it: Airflow asks when the task has left its worker, and puts it down."""
        url: object = getattr(operator, "job_url", "")
        return url if isinstance(url, str) else ""
