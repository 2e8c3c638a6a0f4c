"""Pages for sign-in, devices and passwords: ``path("auth/", include("sessionkeeper.pages.urls"))``.

They are Django templates that a project overrides block by block. They need neither JavaScript nor REST
framework.
"""

from __future__ import annotations

from sessionkeeper.pages.login import admin_login

__all__ = ["admin_login"]
