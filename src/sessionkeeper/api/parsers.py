"""Reads request bodies of the API: JSON objects and forms, in UTF-8 and of limited size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework import exceptions, parsers
from rest_framework.renderers import JSONRenderer

from sessionkeeper.api.exceptions import Refused
from sessionkeeper.api.problems import BODY_LIMIT, BODY_TOO_LARGE

_UTF8 = {"utf-8", "utf8"}


class JSONObjectParser(parsers.BaseParser):
    """Parses one JSON object in UTF-8 (RFC 8259), without NaN and Infinity."""

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the object.

        Raises:
            ParseError: the body is not a JSON object.
        """
        try:
            value = json.loads(stream.read().decode("utf-8"), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise exceptions.ParseError(_("The body is not valid JSON in UTF-8.")) from error
        if not isinstance(value, dict):
            raise exceptions.ParseError(_("The body must be a JSON object."))
        return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def read_bounded(request: HttpRequest) -> None:
    """Read the body into memory. Its real length counts, whatever ``Content-Length`` says.

    Raises:
        Refused: the body is longer than BODY_LIMIT, or ``Content-Length`` says so.
        UnsupportedMediaType: the charset is not UTF-8.
    """
    if request.encoding and request.encoding.lower() not in _UTF8:
        raise exceptions.UnsupportedMediaType(request.META.get("CONTENT_TYPE", ""))
    declared = _declared_length(request)
    if declared > BODY_LIMIT:
        raise Refused(BODY_TOO_LARGE)
    if not request._read_started:  # type: ignore[attr-defined] # noqa: SLF001
        request._body = _read(request)  # noqa: SLF001
    body = getattr(request, "_body", b"")
    if len(body) > BODY_LIMIT:  # other code has read it already
        raise Refused(BODY_TOO_LARGE)
    if declared != len(body):
        request.META["CONTENT_LENGTH"] = str(len(body))  # without it DRF ignores a chunked body


def _read(request: HttpRequest) -> bytes:
    body = b""
    while chunk := request.read(BODY_LIMIT + 1 - len(body)):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise Refused(BODY_TOO_LARGE)
    return body


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0
