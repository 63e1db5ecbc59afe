"""What a user holds: the client, and the handles of one wait and of several."""
