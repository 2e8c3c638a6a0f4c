"""The audit trail: events, the code that records them, and their signals."""
