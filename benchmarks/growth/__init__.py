"""What more sessions, more of one user, more data and more connections cost: ``python -m benchmarks.growth``."""
