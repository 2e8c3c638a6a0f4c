"""Signing in and out, and what guards it: the verbs behind the API and the pages."""
