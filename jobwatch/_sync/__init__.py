"""In a script, without async: waiting in a thread of its own, where the event loop runs; see the README here."""
