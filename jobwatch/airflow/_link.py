"""The link from a task to the page of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseOperatorLink
from airflow.sdk.execution_time.xcom import XCom

from ._cursor import TaskKey, map_index_of

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


class JobwatchLink(BaseOperatorLink):
    """Leads to the page that the API names for the job, from the first look on; where it names none, nowhere."""

    KEY: ClassVar = "_link_JobwatchLink"

    @property
    def name(self) -> str:
        """What stands on its button."""
        return "Job"

    @property
    def xcom_key(self) -> str:
        """The key of the XCom in which the trigger puts it down."""
        return self.KEY

    def get_link(self, operator: BaseOperator, *, ti_key: TaskKey) -> str:  # noqa: ARG002 - Airflow gives it
        """Return what the trigger has put down: Airflow asks for it when the task is over, and writes it anew."""
        url = XCom.get_one(
            key=self.KEY,
            dag_id=ti_key.dag_id,
            task_id=ti_key.task_id,
            run_id=ti_key.run_id,
            map_index=map_index_of(ti_key),
        )
        return url if isinstance(url, str) else ""
