"""A process's own copy of who is signed in, kept right by messages."""
