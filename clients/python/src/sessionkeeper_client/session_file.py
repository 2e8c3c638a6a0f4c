"""A session in a file that nobody else can read."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from http.cookiejar import Cookie, CookieJar
from pathlib import Path
from typing import Any

from sessionkeeper_client.errors import SessionFileError
from sessionkeeper_client.secret import Secret

_VERSION = 1
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LARGEST = 1 << 20
#: What is kept of a cookie.
_KEPT = ("name", "value", "domain", "path", "secure", "expires")


class SessionFile:
    """Reads and writes what a client holds, for one site. The file has mode 0600 from its first byte on."""

    def __init__(self, path: str | os.PathLike[str], site: str, transport: str) -> None:
        self.path = Path(path)
        self._head = {"version": _VERSION, "site": site, "transport": transport}
        self._written: Secret[dict[str, Any]] | None = None

    def load(self, jar: CookieJar) -> Secret[str | None] | None:
        """Put the cookies into the jar and return the token, or None. Nothing happens without a file.

        Raises:
            SessionFileError: others can read the file, it is not a file, of another site, or broken.
        """
        text = Secret(self._read())
        if text.value is None:
            return None
        try:
            content = Secret(json.loads(text.value))
            head = {name: content.value[name] for name in self._head}
            token = Secret(content.value["token"])
            cookies = [_cookie(one) for one in map(Secret, content.value["cookies"])]
            if not isinstance(token.value, str | None):
                raise TypeError("the token is no text")  # noqa: TRY301 - one message for all that is broken
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise SessionFileError(
                f"{self.path} does not hold a session of this client, or is damaged. Remove it and sign in "
                "again."
            ) from error
        if head != self._head:
            wanted = f"{self._head['site']} by {self._head['transport']}"
            raise SessionFileError(
                f"{self.path} holds a session at {head['site']} by {head['transport']}, not at {wanted}. "
                "Use another file."
            )
        for cookie in cookies:
            jar.set_cookie(cookie.value)
        self._written = self._content(jar, token)
        return token

    def store(self, jar: CookieJar, token: Secret[str | None]) -> None:
        """Write cookies and token, where they are others than before: whole, or not at all.

        Raises:
            SessionFileError: the file cannot be written; the one from before is as it was.
        """
        content = self._content(jar, token)
        if content == self._written:
            return
        try:
            self._replace(Secret(json.dumps(content.value, indent=1)))
        except OSError as error:
            raise SessionFileError(f"{self.path} cannot be written: {error.strerror or error}.") from error
        self._written = content

    def remove(self) -> None:
        """Forget the session."""
        self.path.unlink(missing_ok=True)
        self._written = None

    def _read(self) -> str | None:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SessionFileError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        try:
            self._look_at(os.fstat(descriptor))
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(_LARGEST).decode("utf-8", "replace")
        finally:
            os.close(descriptor)

    def _look_at(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise SessionFileError(f"{self.path} is not a file.")
        if os.name != "posix":  # elsewhere the mode says nothing
            return
        if found.st_mode & _OTHERS:
            raise SessionFileError(
                f"{self.path} can be used by others (mode {stat.S_IMODE(found.st_mode):04o}), so its session "
                f"may be known to them. End that session, then remove the file, or: chmod 600 {self.path}"
            )
        if found.st_uid != os.geteuid():
            raise SessionFileError(f"{self.path} belongs to another user.")

    def _replace(self, text: Secret[str]) -> None:
        with self._temporary() as (descriptor, name):
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - made with its mode
                file.write(text.value)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[tuple[int, str]]:
        """Make a file beside ours: exclusively and with mode 0600, as mkstemp does."""
        descriptor, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            yield descriptor, name
        finally:
            Path(name).unlink(missing_ok=True)  # it is there only if something went wrong

    def _content(self, jar: CookieJar, token: Secret[str | None]) -> Secret[dict[str, Any]]:
        cookies = Secret(
            [
                {name: getattr(cookie.value, name) for name in _KEPT}
                for cookie in map(Secret, jar)
                if not cookie.value.is_expired()
            ]
        )
        return Secret({**self._head, "token": token.value, "cookies": cookies.value})


def _cookie(kept: Secret[Any]) -> Secret[Cookie]:
    domain, secure, expires = (kept.value[name] for name in ("domain", "secure", "expires"))
    texts = all(isinstance(kept.value[name], str) for name in ("name", "value", "domain", "path"))
    if not (texts and isinstance(secure, bool) and isinstance(expires, int | None)):
        raise TypeError("no cookie")
    dotted = domain.startswith(".")
    return Secret(
        Cookie(
            version=0,
            name=kept.value["name"],
            value=kept.value["value"],
            port=None,
            port_specified=False,
            domain=domain,
            domain_specified=dotted,
            domain_initial_dot=dotted,
            path=kept.value["path"],
            path_specified=True,
            secure=secure,
            expires=expires,
            discard=expires is None,
            comment=None,
            comment_url=None,
            rest={},
        )
    )
