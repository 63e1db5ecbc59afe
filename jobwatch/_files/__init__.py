"""Files that outlive the process and may be shared with others: each is locked, and never left half written."""
