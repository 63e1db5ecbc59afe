"""What is written about jobs once they were watched, and how they stand meanwhile. Pure."""
