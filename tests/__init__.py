"""Tests of jobwatch: pure values first, then real HTTP on loopback; nothing is mocked."""
