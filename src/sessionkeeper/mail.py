"""Sends mail aside from the request, so that no answer waits for a mail server or tells what was sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connections
from django.utils.translation import get_language, override

log = logging.getLogger("sessionkeeper.security")
_mailer = ThreadPoolExecutor(max_workers=2, thread_name_prefix="sessionkeeper-mail")
_pending: list[Future[None]] = []


def send_aside(send: Callable[..., Any], *args: Any) -> None:
    """Call ``send`` in another thread, in the language of this one. What it raises is logged."""
    _pending[:] = [one for one in _pending if not one.done()]
    _pending.append(_mailer.submit(_quietly, get_language(), send, *args))


def wait() -> None:
    """Wait until all mail that was asked for is handed over. For tests and orderly ends."""
    while _pending:
        _pending.pop().result()


def _quietly(language: str | None, send: Callable[..., Any], *args: Any) -> None:
    try:
        with override(language):
            send(*args)
    except Exception:
        log.exception("A mail could not be sent.")
    finally:
        connections.close_all()  # this thread's own, if a template asked the database
