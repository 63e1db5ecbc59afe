from typing import NamedTuple, Protocol

class TaskInstanceKey(NamedTuple):
    dag_id: str
    task_id: str
    run_id: str
    try_number: int = 1
    map_index: int = -1

class RuntimeTaskInstanceProtocol(Protocol):
    task_id: str
    dag_id: str
    run_id: str
    try_number: int
    map_index: int | None
