"""Files that are written whole or not at all, and are known beforehand to be writable."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from jobwatch import ConfigError
from jobwatch._files.written import WholeFile


def test_nothing_is_there_before_it_is_written_and_nothing_beside_it_after(tmp_path: Path) -> None:
    file = WholeFile(str(tmp_path / "a.svg"), "--timeline")
    assert list(tmp_path.iterdir()) == []
    file.write(b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a.svg", b"new")]


def test_others_may_read_it_as_the_umask_says_and_one_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        WholeFile(str(tmp_path / "a"), "-o").write(b"")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    finally:
        os.umask(before)
    (tmp_path / "a").chmod(0o604)
    WholeFile(str(tmp_path / "a"), "-o").write(b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o604


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "a")
    WholeFile(str(tmp_path / "link"), "-o").write(b"x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "a").read_bytes() == b"x"


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = WholeFile(str(tmp_path / "pipe"), "-o")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    file.write(b"x")
    reader.join(5.0)
    assert read == [b"x"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none/a", "No such file or directory"),
        ("file/a", "Not a directory"),
        (".", "it is a folder"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_cannot_be_written_is_known_beforehand(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=f"--junit .* cannot be written \\({reason}\\): name a file in a folder"):
        WholeFile(str(tmp_path / name), "--junit")


def test_a_file_that_must_not_be_written_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as it is for anybody but root
    with pytest.raises(ConfigError, match="it must not be written"):
        WholeFile(str(tmp_path / "a"), "-o")


def test_a_failure_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"old")
    file = WholeFile(str(tmp_path / "a"), "-o")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.write(b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a", b"old")]
