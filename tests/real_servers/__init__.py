"""Real servers from the package index, each in a virtual environment of its own, on loopback.

``python -m tests.real_servers [pygeoapi] [prefect] [airflow]`` installs what is missing, starts each, and has a job
succeed, one fail and one be cancelled, all awaited through the built-in tables from what the server answered when the
job was started. Out of the default test run: it installs some 500 MB and takes minutes.
"""
