"""Server-side sessions for Django and Django REST Framework."""

from __future__ import annotations

__version__ = "0.1.0"
