"""Makes the operations of our endpoints from :data:`OPERATIONS` and from the attributes of the views."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework.permissions import IsAuthenticated

from sessionkeeper.api import problems as api_problems
from sessionkeeper.api.authentication import SessionAuthentication, TokenAuthentication
from sessionkeeper.api.openapi import operations, schemas, security
from sessionkeeper.api.openapi.operations import Operation
from sessionkeeper.api.scopes import asks_for_scope
from sessionkeeper.csrf import fetch_metadata
from sessionkeeper.csrf import problems as csrf_problems
from sessionkeeper.http import problems
from sessionkeeper.http.problems import MEDIA_TYPE, Problem

TAG = "Sessions"
#: The prefix of components and operations, so that they do not clash with the project's own.
PREFIX = "Auth"


class EndpointSchema(AutoSchema):
    """The schema of one of our endpoints."""

    @property
    def operation(self) -> Operation:
        """The description of the endpoint, which the project's subclasses inherit."""
        kinds = type(self.view).__mro__
        return next(operations.OPERATIONS[kind] for kind in kinds if kind in operations.OPERATIONS)

    def is_excluded(self) -> bool:
        """Exclude the project's own endpoints that only share our base class."""
        return not any(kind in operations.OPERATIONS for kind in type(self.view).__mro__)

    def get_operation_id(self) -> str:
        """Return the name of the endpoint."""
        return f"{PREFIX.lower()}_{self.operation.name}"

    def get_tags(self) -> list[str]:
        """Return the tag of all endpoints."""
        return [TAG]

    def get_summary(self) -> str:
        """Return the first line of the view's docstring."""
        return (type(self.view).__doc__ or "").partition("\n")[0]

    def get_description(self) -> str:  # type: ignore[override] # as drf-spectacular has it
        """Return an empty text: the documentation says the rest."""
        return ""

    def get_serializer_name(self, serializer: Any, direction: Any) -> str:
        """Return the name of a component."""
        return PREFIX + str(super().get_serializer_name(serializer, direction))

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters in path and query."""
        return list(self.operation.parameters)

    def get_auth(self) -> list[dict[str, list[Any]]]:
        """Return the security schemes that the endpoint accepts."""
        auths = [auth for auth in super().get_auth() if auth or not self._is_checked]
        if self.is_open:  # it needs no session, but a request with one is checked too
            auths = [security.with_token() if security.COOKIE in auth else auth for auth in auths]
            if not self._is_checked:
                auths = [{}]
            elif self.operation.name == "logout":
                auths.append({security.BEARER: []})
        return auths

    def get_request_serializer(self) -> Any:
        """Return the serializer of the request body, or None."""
        view: Any = self.view
        return None if self.operation.sent is None else view.serializer_class

    def get_response_serializers(self) -> Any:
        """Return the response and all problems, by status."""
        operation, answered = self.operation, "application/json"
        if operation.answer is None:
            found: dict[Any, Any] = {operation.status: OpenApiResponse(description="Done.")}
        else:
            example = OpenApiExample(operation.name, operation.answered)
            found = {
                (operation.status, answered): OpenApiResponse(
                    operation.answer, description="Done.", examples=[example]
                )
            }
        for problem in self.problems():
            found.setdefault((problem.status, MEDIA_TYPE), []).append(problem)
        return {
            key: self._refusal(value) if isinstance(value, list) else value for key, value in found.items()
        }

    def get_examples(self) -> list[OpenApiExample]:
        """Return the example of the request body."""
        if self.operation.sent is None:
            return []
        return [OpenApiExample(self.operation.name, self.operation.sent, request_only=True)]

    def problems(self) -> list[Problem]:
        """Return every problem of the endpoint, by status and code."""
        found = {*operations.ALWAYS, *self.operation.problems}
        if self._is_unsafe:
            found |= set(operations.BODY)
        if self._is_checked:
            found |= set(csrf_problems.PROBLEMS)
        if self._takes(TokenAuthentication):
            found.add(problems.TOKEN_INVALID)
            if not any(asks_for_scope(permission) for permission in self.view.get_permissions()):
                found.add(problems.INSUFFICIENT_SCOPE)
        if not self.is_open:
            found.add(api_problems.NOT_AUTHENTICATED)
        return sorted(found, key=lambda problem: (problem.status, problem.code))

    @property
    def is_open(self) -> bool:
        """Whether the endpoint answers anonymous requests."""
        return not any(isinstance(permission, IsAuthenticated) for permission in self.view.get_permissions())

    @property
    def _is_unsafe(self) -> bool:
        return self.method not in fetch_metadata.SAFE_METHODS

    @property
    def _is_checked(self) -> bool:
        return self._is_unsafe and self._takes(SessionAuthentication)

    def _takes(self, kind: type) -> bool:
        return any(isinstance(one, kind) for one in self.view.get_authenticators())

    def _refusal(self, found: list[Problem]) -> OpenApiResponse:
        """Return the problems of one status, as one schema with their codes."""
        shape = self.resolve_serializer(schemas.Problem, "response").ref
        schema = {"allOf": [shape], "properties": {"code": {"enum": [problem.code for problem in found]}}}
        titles = dict.fromkeys(str(problem.title) for problem in found)
        return OpenApiResponse(
            schema,
            description="; ".join(titles) + ".",
            examples=[OpenApiExample(problem.code, _example(problem)) for problem in found],
        )


def _example(problem: Problem) -> dict[str, Any]:
    if problem is api_problems.INVALID:
        text = "This field is required."
        return problem.as_dict(f"username: {text}", errors={"username": [text]})
    if problem in csrf_problems.CURED_BY_TOKEN:
        return problem.as_dict(f"{problem.detail} {csrf_problems.recipe()}")
    return problem.as_dict()
