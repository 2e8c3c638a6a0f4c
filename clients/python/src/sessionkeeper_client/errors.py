"""What may go wrong with a client. None of these holds a password, a key or a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The base of all."""


class InsecureAddress(ClientError, ValueError):
    """An address that must not be sent a password or a key: plain http, or of another site."""


class SessionFileError(ClientError):
    """The file with the session cannot be used: others can read it, or it holds something else."""


class Unreachable(ClientError):
    """The site did not answer: no connection, a timeout, a certificate that is not trusted.

    Whether the request was carried out is not known.
    """


class ProblemError(ClientError):
    """The site answered with a problem (RFC 9457), or with any other status that is no success.

    Attributes:
        status: the HTTP status, an int.
        code: the stable word for the problem, as the API's reference lists them; "" where the site says none.
        detail: a sentence on what to do.
        problem: the members of the answer; an empty dict where it was no JSON object.
        text: the body of the answer.
        retry_after: seconds to wait, from ``Retry-After``; None without.
    """

    def __init__(
        self, status: int, problem: Mapping[str, Any], text: str = "", retry_after: int | None = None
    ) -> None:
        self.status, self.problem, self.text, self.retry_after = status, dict(problem), text, retry_after
        self.code = _text(problem.get("code"))
        self.detail = _text(problem.get("detail")) or _text(problem.get("title"))
        super().__init__(": ".join(filter(None, (f"{status} {self.code}".rstrip(), self.detail))))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.problem, self.text, self.retry_after)


class InvalidCredentials(ProblemError):
    """The name or the password is wrong; which of them is not said."""


class SecondFactorRequired(ProblemError):
    """The password is right and does not do: the account has a second factor. Nobody was signed in."""


class NotSignedIn(ProblemError):
    """There is no session, or it is over: sign in."""


class ReauthenticationRequired(ProblemError):
    """A fresh proof is asked for: ``reauthenticate(password)``, then the same call again."""


class Throttled(ProblemError):
    """Too many tries: wait ``retry_after`` seconds."""


BY_CODE: dict[str, type[ProblemError]] = {
    "invalid_credentials": InvalidCredentials,
    "second_factor_required": SecondFactorRequired,
    "not_authenticated": NotSignedIn,
    "token_invalid": NotSignedIn,
    "reauthentication_required": ReauthenticationRequired,
    "throttled": Throttled,
}
BY_STATUS: dict[int, type[ProblemError]] = {401: NotSignedIn, 429: Throttled}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
