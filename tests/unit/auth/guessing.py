"""Who guesses at passwords, at which doors, and a clock for how long they wait."""

from __future__ import annotations

import json
from datetime import timedelta

from django.test import Client

from sessionkeeper.auth import attempts

TRIES = 5


class Clock:
    """The clock of the counts, set by hand."""

    def __init__(self):
        self.moment = 1_800_000_000_000

    def __call__(self):
        return self.moment

    def move(self, **duration):
        """Let time pass."""
        self.moment += int(timedelta(**duration).total_seconds() * 1000)


def stopped_clock(monkeypatch, settings):
    """Put our backend first, and let the time of the counts stand still; return the clock that moves it."""
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    made = Clock()
    monkeypatch.setattr(attempts, "now", made)
    return made


def browser(address="192.0.2.1"):
    """A browser somewhere."""
    return Client(REMOTE_ADDR=address, headers={"sec-fetch-site": "same-origin"})


def api(client, name, password):
    """Sign in by the API."""
    body = json.dumps({"username": name, "password": password})
    return client.post("/auth/login/", body, content_type="application/json")


def by_view(client, name, password):
    """Sign in at a view of the project's own."""
    return client.post("/view/", {"username": name, "password": password})


def is_refused(response):
    """Whether a try was refused unlooked at."""
    return response.status_code == 429 and int(response["Retry-After"]) > 0


def lock(name, number=TRIES, address="203.0.113.9"):
    """Fail so often."""
    for _ in range(number):
        assert api(browser(address), name, "wrong").status_code == 401
