"""Real servers from the package index, each in a virtual environment of its own, on loopback.

``python -m tests.real_servers [pygeoapi] [prefect] ...`` installs what is missing, starts each, and has a job
succeed, one fail and, where the server can, one be cancelled: pygeoapi, Prefect and Airflow through the built-in
tables; Buildbot, Dagster, Flower and Luigi through tables of at most twelve lines, as a user would write them; A2A by
both bindings and versions, and MCP, to every end that an agent's task can come to. All are awaited from what the
server answered when the job was started. `agents_page` runs what `jobwatch/apis/AGENTS.md` shows. Out of the default
test run: it installs some 800 MB and takes minutes.
"""
