import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any

from airflow.sdk.types import RuntimeTaskInstanceProtocol

class TriggerEvent:
    payload: Any
    def __init__(self, payload: Any) -> None: ...

class BaseTrigger(ABC):
    def __init__(self, **kwargs: Any) -> None: ...
    @property
    def log(self) -> logging.Logger: ...
    @property
    def task_instance(self) -> RuntimeTaskInstanceProtocol | None: ...
    @abstractmethod
    def serialize(self) -> tuple[str, dict[str, Any]]: ...
    @abstractmethod
    def run(self) -> AsyncIterator[TriggerEvent]: ...
