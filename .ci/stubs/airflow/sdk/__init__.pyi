import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, ClassVar, NoReturn, ParamSpec, TypedDict

from airflow.triggers.base import BaseTrigger

from .types import RuntimeTaskInstanceProtocol, TaskInstanceKey

_P = ParamSpec("_P")

class DAG: ...
class XComArg: ...

def dag(*, schedule: Any = None) -> Callable[[Callable[_P, Any]], Callable[_P, DAG]]: ...
def task(python_callable: Callable[_P, Any]) -> Callable[_P, XComArg]: ...

class Context(TypedDict, total=False):
    ti: RuntimeTaskInstanceProtocol

class Connection:
    conn_id: str
    host: str | None
    schema: str | None
    login: str | None
    password: str | None
    port: int | None
    extra: str | None

class BaseHook:
    @classmethod
    async def aget_connection(cls, conn_id: str) -> Connection: ...

class BaseOperator:
    task_id: str
    execution_timeout: timedelta | None
    do_xcom_push: bool
    template_fields: Collection[str]
    operator_extra_links: Collection[BaseOperatorLink]
    ui_color: str
    def __init__(self, *, task_id: str, **kwargs: Any) -> None: ...
    @property
    def log(self) -> logging.Logger: ...
    @property
    def output(self) -> XComArg: ...
    def execute(self, context: Context) -> Any: ...
    def defer(
        self,
        *,
        trigger: BaseTrigger,
        method_name: str,
        kwargs: dict[str, Any] | None = None,
        timeout: timedelta | float | None = None,
    ) -> NoReturn: ...

class BaseOperatorLink(ABC):
    operators: ClassVar[list[type[BaseOperator]]]
    @property
    @abstractmethod
    def name(self) -> str: ...
    @property
    def xcom_key(self) -> str: ...
    @abstractmethod
    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str: ...
