"""What a vendor's words mean: a reply's bytes read into a job or a fault."""
