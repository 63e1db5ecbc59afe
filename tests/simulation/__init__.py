"""Whole runs of the library in a made-up world, deterministic by one seed: see `python -m tests.simulation --help`."""
