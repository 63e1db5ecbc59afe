"""What is built from the project: the wheel and the sdist hold what they must, and an index page shows it right."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from .documents import ROOT, text_of

PROJECT = tomllib.loads(text_of("pyproject.toml"))["project"]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HTML = re.compile(r"<(?:img|a)\b", re.IGNORECASE)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build the wheel and the sdist."""
    folder = str(tmp_path_factory.mktemp("dist"))
    (wheel,), (sdist,) = (list(builder(str(ROOT)).build(directory=folder)) for builder in (WheelBuilder, SdistBuilder))
    return Path(wheel), Path(sdist)


@pytest.fixture(scope="module")
def metadata(built: tuple[Path, Path]) -> Message:
    with zipfile.ZipFile(built[0]) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        return email.message_from_string(wheel.read(name).decode())


def files(*folders: str) -> set[str]:
    """Return all files of some folders but what Python makes, by their paths within the project."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.mark.slow(in_sample=True)
def test_the_wheel_holds_the_package_whole_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == files("jobwatch")
    assert {"jobwatch/py.typed", "jobwatch/cli/README.md", "jobwatch/apis/github.toml"} <= names


@pytest.mark.slow(in_sample=True)
def test_the_sdist_can_be_tested(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = files("jobwatch", "tests", "benchmarks", "findings", ".github")
    assert wanted | {".ci/run", "CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"} <= names


@pytest.mark.slow
def test_the_wheel_runs_as_it_is(built: tuple[Path, Path], tmp_path: Path) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        wheel.extractall(tmp_path)
    code = "import sys, jobwatch.cli; print(jobwatch.__file__); sys.exit(jobwatch.cli.main(['docs', 'webhooks']))"
    argv = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    where, _, page = ran.stdout.partition("\n")
    assert Path(where).is_relative_to(tmp_path)
    assert page == text_of("jobwatch/_serving/webhooks/README.md")


@pytest.mark.slow(in_sample=True)
def test_an_index_page_shows_the_readme_and_no_address_that_is_made_up(metadata: Message) -> None:
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == text_of("README.md")
    assert metadata.get_all("Project-URL") is None, "there is no public address yet"
    assert (metadata["Home-page"], metadata["Author-email"]) == (None, None)
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]


def test_the_readme_leads_nowhere_that_only_a_repository_has() -> None:
    readme = text_of("README.md")
    assert [link for link in _LINK.findall(readme) if not re.match(r"https://|#", link)] == []
    assert not _HTML.search(readme)


def test_the_classifiers_name_the_versions_from_the_oldest_on() -> None:
    named = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if re.search(r":: Python :: 3\.\d+$", each)]
    assert named == [f"3.{minor}" for minor in range(11, 11 + len(named))]
    assert PROJECT["requires-python"] == f">={named[0]}"
