"""What more sessions, users with more of them, more data and more connections cost."""
