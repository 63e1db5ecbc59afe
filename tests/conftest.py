"""What every test relies on."""

from __future__ import annotations

from hypothesis import settings

# Two cores, shared: fewer examples by default; `--hypothesis-profile=thorough` before a release.
settings.register_profile("quick", deadline=None, max_examples=60)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("quick")
