"""Shell completion: the scripts are accepted by the shells that are here, and complete what there is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobwatch.apis import APIS
from jobwatch.cli import main


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_accepts_its_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    assert "--unreachable-after" in text or "unreachable-after" in text
    assert "--api-key" not in text, "an option that is there to be refused"
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / f"jobwatch.{shell}"
    file.write_text(text, "utf-8")
    checked = subprocess.run([program, "-n", file], capture_output=True, check=False, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("jobwatch wa", ["wait", "watch"]),
        ("jobwatch watch --jou", ["--journal"]),
        ("jobwatch wait --unr", ["--unreachable-after"]),
        ("jobwatch wait job_1 --follow", ["--follow-output"]),
        ("jobwatch list --api ca", ["capydb"]),
        ("jobwatch apis --check ", sorted(APIS)),
        ("jobwatch completion ", ["bash", "fish", "zsh"]),
        ("jobwatch wait --summary nea", ["nearby.md"]),
        ("jobwatch wait --key", []),
    ],
)
def test_bash_completes_commands_options_apis_and_files(
    line: str, told: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    (tmp_path / "nearby.md").touch()
    words = line.split(" ")
    ask = f"COMP_WORDS=({' '.join(word or chr(39) * 2 for word in words)}) COMP_CWORD={len(words) - 1}"
    function = "$(complete -p jobwatch | sed 's/.*-F \\([^ ]*\\) .*/\\1/')"
    commands = f'{ask}\n{function} jobwatch "{words[-1]}" "{words[-2]}"\nprintf "%s\\n" "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        [bash, "--norc", "-c", f"{script('bash', capsys)}\n{commands}"],
        capture_output=True,
        check=False,
        text=True,
        cwd=tmp_path,
    )
    assert sorted(done.stdout.split()) == told, done.stderr


def test_without_shtab_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "jobwatch: error: completion needs shtab: pip install 'jobwatch-client[cli]'\n"


def test_another_shell_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "choose from" in capsys.readouterr().err
