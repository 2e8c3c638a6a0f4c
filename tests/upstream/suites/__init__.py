"""Runs Django's own test suites, unmodified, as Django runs them, with sessionkeeper installed."""
