"""CSRF protection that needs no token where the browser says where a request comes from."""

from __future__ import annotations

from sessionkeeper.csrf.fetch_metadata import FetchMetadataMiddleware
from sessionkeeper.csrf.problems import failure

__all__ = ["FetchMetadataMiddleware", "failure"]
