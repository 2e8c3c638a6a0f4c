"""The store in a Django database."""
