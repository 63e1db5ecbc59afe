"""Benchmarks: one question a module, the rivals in the same run, the bias stated. Run with ``python -m``."""
