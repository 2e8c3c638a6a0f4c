"""The project's own commands, one job per module, run as `python -m tools.NAME`."""
