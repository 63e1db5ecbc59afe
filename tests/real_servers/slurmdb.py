"""Slurm's accounts: the same jobs as `slurm` has, with slurmdbd and MariaDB, by slurmrestd."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from .house import NotInstalledError, free_port
from .slurm import Cluster, Server, cluster

PACKAGES = "slurmdbd slurm-wlm-mysql-plugin mariadb-server-core"
OUTCOMES = {
    "good": "succeeded",
    "bad": "failed",
    "killed": "failed",
    "stopped": "cancelled",
    "stopped early": "cancelled",
    "array": "timeout",  # which has no end there
    "task": "failed",
    "unknown": "not_found",
}
TOLD = {"good": "COMPLETED", "killed": "signal 9"}
OPTIONS = {"array": {"timeout": 20}}
_CONFIGURATION = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={base}
StorageUser=slurm
StorageLoc=slurm
"""
_ACCOUNTS = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.socket
"""


def _accounts(one: Cluster) -> str:
    base, port, folder, user = free_port(), free_port(), one.folder, getpass.getuser()
    (folder / "base").mkdir()
    options = [f"--datadir={folder}/base", f"--socket={folder}/base.socket", f"--port={base}", f"--user={user}"]
    one.start(["mariadbd", "--no-defaults", "--skip-grant-tables", "--bind-address=127.0.0.1", *options], base)
    file = folder / "slurmdbd.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, base=base, user=user))
    file.chmod(0o600)
    one.start(["slurmdbd", "-D"], port, SLURM_CONF=str(file))
    accounts = _ACCOUNTS.format(folder=folder, port=port)
    (folder / "slurm.conf").write_text(f"ClusterName=jobwatch\nSlurmctldHost=localhost\n{accounts}")
    time.sleep(1)
    one.output(["sacctmgr", "--immediate", "add", "cluster", "jobwatch"])
    return accounts


@contextlib.contextmanager
def served(environments: Path) -> Iterator[Server]:
    """Serve it."""
    if missing := [each for each in ("slurmdbd", "sacctmgr", "mariadbd") if shutil.which(each) is None]:
        raise NotInstalledError(f"{', '.join(missing)} (apt-get install --no-install-recommends {PACKAGES})")
    with cluster(_accounts) as server:
        yield server
