"""Extensions for drf-spectacular, loaded if ``drf_spectacular`` is in ``INSTALLED_APPS``.

Importing this module registers the security schemes of our authentication classes, which also apply to the
project's own views, and the schema of our endpoints.
"""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiViewExtension
from rest_framework.views import APIView

from sessionkeeper.api.openapi import security

__all__ = ["EndpointView", "security"]


class EndpointView(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Gives our endpoints and their subclasses their own schema."""

    target_class = "sessionkeeper.api.views.base.Endpoint"
    match_subclasses = True

    def view_replacement(self) -> type[APIView]:
        """Return the view with our inspector instead of the project's ``DEFAULT_SCHEMA_CLASS``."""
        from sessionkeeper.api.openapi.autoschema import EndpointSchema

        view: type[APIView] = self.target
        return type(view.__name__, (view,), {"schema": EndpointSchema(), "__doc__": view.__doc__})
