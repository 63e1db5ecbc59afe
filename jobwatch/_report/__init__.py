"""What is written about jobs once they were watched: a summary, pictures, test results. Pure: values in, text out."""
