"""What drf-spectacular is told of the API. Loaded where ``drf_spectacular`` is among the installed apps.

Importing it registers the security schemes of our authentication classes, for a project's own views too, and
the description of our endpoints.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension, OpenApiViewExtension
from rest_framework.views import APIView

from sessionkeeper.api.openapi import security

__all__ = ["EndpointView", "TextField", "security"]


class EndpointView(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Gives our endpoints, and subclasses of them, a schema of their own."""

    target_class = "sessionkeeper.api.views.base.Endpoint"
    match_subclasses = True

    def view_replacement(self) -> type[APIView]:
        """Return the view with our inspector, whatever the project's ``DEFAULT_SCHEMA_CLASS`` is."""
        from sessionkeeper.api.openapi.autoschema import EndpointSchema

        view: type[APIView] = self.target
        return type(view.__name__, (view,), {"schema": EndpointSchema(), "__doc__": view.__doc__})


class TextField(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """Says of our text fields that they may not be empty, where they may not."""

    target_class = "sessionkeeper.api.serializers.Text"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the schema with its shortest length."""
        schema: dict[str, Any] = auto_schema._map_serializer_field(  # noqa: SLF001 - as its documentation says
            self.target, direction, bypass_extensions=True
        )
        return schema if self.target.allow_blank else {**schema, "minLength": 1}
