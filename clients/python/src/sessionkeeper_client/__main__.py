"""The client at a command line: ``python -m sessionkeeper_client https://example.org login alice``.

The session is a bearer session (``--cookie``: one in a cookie), kept in a file for each site.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from sessionkeeper_client import Client, ClientError
from sessionkeeper_client.protocol import CSRF_HEADER

_CALLS = ("get", "post", "put", "patch", "delete")


def main(given: Sequence[str] | None = None) -> int:
    """Run one command. Return 0; 1 after saying on stderr what went wrong; argparse's 2 for wrong usage."""
    arguments = _parser().parse_args(given)
    try:
        with _client(arguments) as client:
            answer = _COMMANDS[arguments.command](client, arguments)
        if answer:
            _write(answer)
    except (ClientError, ValueError, OSError, httpx.InvalidURL) as error:
        sys.stderr.write(f"{_plain(str(error))}\n")
        return 1
    return 0


def _write(answer: str) -> None:
    """Write what was answered; output that nobody takes is an error, and nothing of it stays for the exit."""
    if sys.stdout is None:
        raise OSError("There is no standard output.")
    try:
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sessionkeeper_client", description=__doc__)
    parser.add_argument("url", help="where the site is: https://example.org")
    parser.add_argument("--file", help="where the session is kept; by default a file for each site")
    parser.add_argument("--cookie", action="store_true", help="sign in by cookie, as a browser does")
    parser.add_argument("--api", default="/api/auth/", help="the path of the API (%(default)s)")
    parser.add_argument("--csrf-header", default=CSRF_HEADER, help="with --cookie (%(default)s)")
    parser.add_argument("--allow-http", action="store_true", help="plain http to another machine too")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    login = commands.add_parser("login", help="sign in; the password is asked for, or read from stdin")
    login.add_argument("name")
    login.add_argument("--label", default="command line", help="what lists call it (%(default)s)")
    commands.add_parser("whoami", help="user and session, as JSON")
    commands.add_parser("sessions", help="your sessions; * is this one")
    revoke = commands.add_parser("revoke", help="end one session")
    revoke.add_argument("id")
    commands.add_parser("revoke-others", help="end all sessions but this one")
    commands.add_parser("reauthenticate", help="prove the password again")
    commands.add_parser("logout", help="end the session, and remove its file")
    for name in _CALLS:
        call = commands.add_parser(name, help=f"{name.upper()} an address of the site, with the session")
        call.add_argument("path")
        if name in {"post", "put", "patch"}:
            call.add_argument("json", nargs="?", type=json.loads, help="the body")
    return parser


def _client(arguments: argparse.Namespace) -> Client:
    return Client(
        arguments.url,
        transport="cookie" if arguments.cookie else "bearer",
        api=arguments.api,
        file=arguments.file or _file_of(arguments.url),
        allow_http=arguments.allow_http,
        csrf_header=arguments.csrf_header,
    )


def _file_of(url: str) -> Path:
    """Return the file for a site, in a folder that is made for the user alone."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "sessionkeeper"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    site = httpx.URL(url)
    return folder / f"{site.scheme}-{site.netloc.decode('ascii').replace(':', '-')}.json"


def _password() -> str:
    return getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def _log_in(client: Client, arguments: argparse.Namespace) -> str:
    session = client.login(arguments.name, _password(), label=arguments.label)["session"]
    return f"Signed in, in session {session['id']}."


def _list(client: Client, arguments: argparse.Namespace) -> str:
    return "\n".join(
        " ".join(
            [
                one["id"],
                "*" if one["current"] else " ",
                f"{one['transport']:<6}",
                one["last_seen_at"],
                _plain(one["label"] or one["device"] or one["user_agent"]),
            ]
        )
        for one in client.sessions()
    )


def _revoke(client: Client, arguments: argparse.Namespace) -> str:
    client.revoke(arguments.id)
    return "Ended."


def _reauthenticate(client: Client, arguments: argparse.Namespace) -> str:
    client.reauthenticate(_password())
    return "Proved."


def _log_out(client: Client, arguments: argparse.Namespace) -> str:
    client.logout()
    return "Signed out."


def _call(client: Client, arguments: argparse.Namespace) -> str:
    body = getattr(arguments, "json", None)
    options: dict[str, Any] = {} if body is None else {"json": body}
    text = client.request(arguments.command, arguments.path, **options).text
    return "\n".join(map(_plain, text.splitlines())) if sys.stdout.isatty() else text


def _plain(text: str) -> str:
    """Return the text without what a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)


_COMMANDS: dict[str, Callable[[Client, argparse.Namespace], str]] = {
    "login": _log_in,
    "whoami": lambda client, arguments: json.dumps(client.whoami(), indent=2),
    "sessions": _list,
    "revoke": _revoke,
    "revoke-others": lambda client, arguments: f"Ended: {client.revoke_others()}.",
    "reauthenticate": _reauthenticate,
    "logout": _log_out,
    **dict.fromkeys(_CALLS, _call),
}

if __name__ == "__main__":
    sys.exit(main())
