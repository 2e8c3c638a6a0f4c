"""``manage.py sessions doctor``: looks a deployment over and says what to do about what it finds."""
