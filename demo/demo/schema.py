"""What /api/schema/ describes."""

from typing import Any


def only_api(endpoints: list[Any]) -> list[Any]:
    """The API of sessionkeeper and the notes; not the views of a tutorial, nor other packages' tokens."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith(("/api/auth/", "/api/notes/"))]
