"""What type checkers must find out by themselves; these files are checked, never run."""
