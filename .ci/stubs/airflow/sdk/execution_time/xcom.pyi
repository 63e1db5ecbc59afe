from typing import Any, Protocol

class TIKeyProtocol(Protocol):
    dag_id: str
    task_id: str
    run_id: str
    map_index: int

class XCom:
    @classmethod
    def set(cls, key: str, value: Any, *, dag_id: str, task_id: str, run_id: str, map_index: int = -1) -> None: ...
    @classmethod
    def get_one(
        cls, *, key: str, dag_id: str, task_id: str, run_id: str, map_index: int | None = None
    ) -> Any | None: ...
    @classmethod
    def delete(cls, key: str, task_id: str, dag_id: str, run_id: str, map_index: int | None = None) -> None: ...
