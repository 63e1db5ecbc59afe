"""An API written down as a table: its keys, its path language, and the reader that comes of it."""
