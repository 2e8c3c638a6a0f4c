"""The problems of the API, in addition to those of the middleware and of the CSRF check."""

from __future__ import annotations

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from sessionkeeper.http.problems import define

#: The longest request body that the endpoints accept, in bytes.
BODY_LIMIT = 64 * 1024

INVALID = define("invalid", 400, _("The request is not valid"), _("See errors for each field."))
PARSE_ERROR = define("parse_error", 400, _("The body cannot be read"), _("Send a JSON object or a form."))
INVALID_CREDENTIALS = define(
    "invalid_credentials",
    401,
    _("Signing in failed"),
    _("These credentials are not valid. Check the username and the password."),
)
SECOND_FACTOR_REQUIRED = define(
    "second_factor_required",
    401,
    _("A second factor is required"),
    _("The password is correct, but the account has a second factor: sign in where the site asks for it."),
)
NOT_AUTHENTICATED = define(
    "not_authenticated", 401, _("Not signed in"), _("Sign in first: the request has no session.")
)
AUTHENTICATION_FAILED = define(
    "authentication_failed",
    401,
    _("Signing in failed"),
    _("The credentials were refused."),
    _("See WWW-Authenticate for the ways to sign in."),
)
PERMISSION_DENIED = define(
    "permission_denied",
    403,
    _("Not allowed"),
    _("You are signed in, but you may not do this."),
    _("Sign in as a user who may, or ask the operator of the site."),
)
NOT_FOUND = define(
    "not_found",
    404,
    _("Not found"),
    _("There is nothing at this address."),
    _("Take the address from a list. What belongs to others is not shown, and what has ended is gone."),
)
INVALID_RESET_TOKEN = define(
    "invalid_reset_token",
    400,
    _("The link is not valid"),
    _("It has been used, has expired, or is not from this site. Request another one."),
)
METHOD_NOT_ALLOWED = define(
    "method_not_allowed", 405, _("The method is not allowed"), _("Use one that the Allow header names.")
)
NOT_ACCEPTABLE = define(
    "not_acceptable", 406, _("No such format"), _("Send Accept: application/json, or no Accept header.")
)
SESSION_ENDED = define(
    "session_ended",
    409,
    _("The session has ended"),
    _("The session was ended while this request ran. Sign in again."),
)
BODY_TOO_LARGE = define(
    "body_too_large",
    413,
    _("The body is too large"),
    format_lazy(_("The limit is {limit} bytes."), limit=BODY_LIMIT),
)
UNSUPPORTED_MEDIA_TYPE = define(
    "unsupported_media_type",
    415,
    _("The media type is not supported"),
    _("Send application/json, application/x-www-form-urlencoded or multipart/form-data, in UTF-8."),
)

#: Problems that only a project's own views have, if they use the exception handler.
FOR_OTHERS = (AUTHENTICATION_FAILED, PERMISSION_DENIED, NOT_ACCEPTABLE)
