"""Reading a username and a password from a JSON body, without trusting anything in it."""

import json
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest

LARGEST_BODY = 16 * 1024


class BadBodyError(Exception):
    """The body is not what a login takes; the text says what it lacks."""

    def __init__(self, text: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(text)
        self.status = status


def read_credentials(request: HttpRequest) -> tuple[str, str]:
    """The username and the password that the body holds."""
    if request.content_type != "application/json":
        raise BadBodyError(
            "Send JSON with the header Content-Type: application/json, or an HTML form.",
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    try:
        fields = json.loads(read_body(request))
    except (ValueError, RecursionError):
        raise BadBodyError("The body is not valid JSON.") from None
    if not isinstance(fields, dict):
        raise BadBodyError('The body must be an object: {"username": "…", "password": "…"}.')
    return text_field(fields, "username"), text_field(fields, "password")


def read_body(request: HttpRequest) -> bytes:
    """The body, if it is of a reasonable size."""
    try:
        body = request.body
    except RequestDataTooBig:  # more than DATA_UPLOAD_MAX_MEMORY_SIZE: Django does not even read it
        body = None
    if body is None or len(body) > LARGEST_BODY:
        raise BadBodyError(
            f"The body is larger than {LARGEST_BODY} bytes.", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        )
    return body


def text_field(fields: dict[str, object], name: str) -> str:
    """One field that must be a text which a database can hold."""
    value = fields.get(name)
    if value is None or value == "":
        raise BadBodyError(f'"{name}" is missing.')
    if not isinstance(value, str):
        raise BadBodyError(f'"{name}" must be a string.')
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        raise BadBodyError(f'"{name}" is not text.') from None
    if "\0" in value:
        raise BadBodyError(f'"{name}" must not contain the character NUL.')
    return value
