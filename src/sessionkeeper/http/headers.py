"""Headers of answers that belong to one person."""

from __future__ import annotations

from typing import Any

from django.utils.cache import patch_cache_control

#: What a browser forgets at a sign-out (ASVS 5.0, 14.3.1): what it kept of the pages. Not its cookies or
#: its storage, which the rest of the site may need.
CLEAR_SITE_DATA = '"cache"'
#: ``Cache-Control`` of what belongs to one person.
NOT_CACHED = "no-store, private"


def forbid_caching(response: Any) -> None:
    """Keep answers that belong to one person out of every cache (OWASP ASVS 5.0, 14.3.2)."""
    if response.has_header("Cache-Control"):
        patch_cache_control(response, no_store=True, private=True)
    else:
        response.headers["Cache-Control"] = NOT_CACHED
