"""The project's own tooling: standard library only, one job per module, run as `python -m tools.NAME`."""
