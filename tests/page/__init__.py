"""The page of watched jobs: what it is told, who is let in, and how it looks and works in a real browser."""
