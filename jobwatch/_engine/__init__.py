"""The poller: which watched job is due, who makes the request, and what the answer changes."""
