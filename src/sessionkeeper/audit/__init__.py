"""The audit trail: events, where they are written, and the signals that tell of them."""
