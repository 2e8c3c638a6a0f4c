"""Sessions in a file: written by one store, read by another, or by the same one later."""
