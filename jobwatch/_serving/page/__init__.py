"""One live page of all watched jobs, for a browser: served from this process, with nothing from elsewhere."""
