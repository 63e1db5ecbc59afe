"""Files that outlive the process and may be shared: what is written is locked and never left half written."""
