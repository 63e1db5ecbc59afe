"""The background watcher: changes delivered once, and a journal that outlives the process."""
