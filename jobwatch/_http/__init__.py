"""Requests to one origin: made up, sent, judged, and none more than its budget allows."""
