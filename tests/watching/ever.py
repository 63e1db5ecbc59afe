"""Every change that was ever written into a journal, also those that were acknowledged and deleted: for oracles.

A trigger within the file copies each one into a table that the package knows nothing of, in the same transaction.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from jobwatch import Change


def keep_all(connection: sqlite3.Connection) -> None:
    """Have every change kept that is written into the journal from now on."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS ever (number INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT, change TEXT)"
    )
    connection.execute(
        "CREATE TRIGGER IF NOT EXISTS keep_all AFTER INSERT ON deliveries"
        " BEGIN INSERT INTO ever (job_id, change) VALUES (new.job_id, new.change); END"
    )


def written_in(path: Path) -> dict[str, list[Change]]:
    """Return all changes that were ever written, by job, in order; nothing for a file without."""
    connection = sqlite3.connect(path)
    written = written_by(connection)
    connection.close()
    return written


def written_by(connection: sqlite3.Connection) -> dict[str, list[Change]]:
    """Return the same, by a connection that there is."""
    written: dict[str, list[Change]] = {}
    for job_id, change in connection.execute("SELECT job_id, change FROM ever ORDER BY number"):
        written.setdefault(job_id, []).append(msgspec.json.decode(change, type=Change))
    return written


def unacknowledged_in(path: Path) -> set[str]:
    """Return the keys of the changes that are not acknowledged."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT change FROM deliveries").fetchall()
    connection.close()
    return {msgspec.json.decode(change, type=Change).key for (change,) in found}
