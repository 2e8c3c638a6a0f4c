"""Cost of an authenticated request, measured side by side: ``python -m benchmarks``."""
