"""A process's own cache of signed-in sessions, which messages keep up to date."""
