"""Webhooks: checked, and turned into looks."""
