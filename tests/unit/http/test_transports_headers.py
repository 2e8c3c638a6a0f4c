"""Answers that belong to one person are kept nowhere."""

from __future__ import annotations

import pytest
from django.http import HttpResponse

from sessionkeeper.http.transports import forbid_caching


@pytest.mark.parametrize("before", [None, "no-store", "public, max-age=60", "private"])
def test_no_cache_may_keep_it_whatever_the_view_said(before):
    response = HttpResponse() if before is None else HttpResponse(headers={"Cache-Control": before})
    forbid_caching(response)
    words = {word.strip() for word in response["Cache-Control"].split(",")}
    assert {"no-store", "private"} <= words
    assert "public" not in words
