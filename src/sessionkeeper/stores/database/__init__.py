"""Sessions in any database of Django's."""
