"""The devices on which a user is signed in, with buttons to sign out there."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from sessionkeeper.audit.events import Kind
from sessionkeeper.auth import flows
from sessionkeeper.core import keys
from sessionkeeper.core.errors import NoSuchSession
from sessionkeeper.core.records import BEARER, SessionRecord
from sessionkeeper.engine import history, registry
from sessionkeeper.http.client_info import device
from sessionkeeper.pages.base import DONE, Page, route, signed_out

_ENDED = f"?{DONE}=ended"
#: The query parameter that names the session before which the page continues.
_BEFORE = "before"
#: The query parameter that says how many were just signed out.
_COUNT = "count"
#: The digits of such a number.
_DIGITS = 6
#: How many ended sessions the page shows.
_MOST_ENDED = 10
_HOW = {
    Kind.SIGN_OUT: _("Signed out"),
    Kind.EXPIRED: _("Expired"),
    Kind.REVOKED: _("Ended from another device"),
    Kind.COPY_DETECTED: _("Ended: its key was copied"),
}


class SessionsPage(Page):
    """Lists the live sessions of the user, the current one first."""

    template = "sessions"
    signed_in = True

    def get(self, request: HttpRequest) -> HttpResponse:
        """Show the sessions."""
        flows.require_own(request)
        current, before = registry.current_id(request), keys.parse_id(request.GET.get(_BEFORE))
        newest = before - 1 if before else keys.MAX_ID
        records, rest = registry.page_for(request.user, current, newest=newest)
        return self.show(
            request,
            devices=[_device(record, current) for record in records],
            older=None if rest is None else f"?{_BEFORE}={keys.encode_id(rest + 1)}",
            ended=[] if before else _ended(request),
            count=_count(request),
        )


class EndOne(Page):
    """Ends one session."""

    signed_in = True
    http_method_names = ["post"]

    def post(self, request: HttpRequest, session_id: str) -> HttpResponse:
        """End the session, if it still exists."""
        number = keys.parse_id(session_id)
        is_this = number is not None and number == registry.current_id(request)
        if number is not None:
            with suppress(NoSuchSession):
                flows.revoke(request, number)
        return signed_out() if is_this else redirect(route("sessions") + _ENDED)


class EndOthers(Page):
    """Ends all sessions except the current one."""

    signed_in = True
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        """End the other sessions."""
        ended = flows.revoke_others(request)
        return redirect(f"{route('sessions')}?{DONE}=others&{_COUNT}={ended}")


def _count(request: HttpRequest) -> int:
    """Return how many devices were just signed out, as the address says."""
    text = request.GET.get(_COUNT, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


def _ended(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sessions that ended last, each with a text that says how."""
    return [
        {
            "name": device(one.user_agent),
            "is_program": one.kind == Kind.TOKEN_MADE,
            "address": one.ip_address,
            "since": localtime(one.began_at),
            "at": one.ended_at and localtime(one.ended_at),
            "how": _HOW[Kind(one.how)],
        }
        for one in history.page_for(request.user)[0][:_MOST_ENDED]
    ]


def _device(record: SessionRecord, current: int | None) -> dict[str, Any]:
    return {
        "id": keys.encode_id(record.id),
        "name": device(record.user_agent),
        "label": record.label,
        "is_current": record.id == current,
        "is_program": record.transport == BEARER,
        "address": record.ip_address,
        "since": localtime(record.authenticated_at or record.created_at),
        "last_seen": localtime(record.last_seen_at),
    }
