"""Ten thousand made-up days of a browser whose key is renewed: nobody is signed out, every thief is found.

A schedule is drawn from a number: tabs that send bursts, answers that are late, out of order or lost, nights
with answers still on their way, a change of SECRET_KEY, saves in between, somebody with a copy of the cookie.
The server is what the middleware does, over the reference store, whose clock is moved from event to event.
Each request asks for the user, and each process has a SECRET_KEY of its own.
"""

from __future__ import annotations

import heapq
import json
import random
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.conf import settings as django_settings
from django.contrib import auth
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from sessionkeeper.core import keys, records
from sessionkeeper.core.records import KeyStatus, NewSession
from sessionkeeper.engine import principal
from sessionkeeper.middleware.session import SessionMiddleware
from sessionkeeper.stores import factory
from tests.memory_store import MemoryStore

SCHEDULES = 10_000
ROTATE_AFTER = 900
#: Longest time that a request and its answer may spend in the network, together under the overlap.
FLIGHT = 29
BEGINNING = datetime(2026, 6, 1, tzinfo=UTC)
#: ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS`` of a process.
OLD, OLD_KNOWS_NEW = ("tests-only", []), ("tests-only", ["next"])
NEW, NEW_KNOWS_OLD = ("next", []), ("next", ["tests-only"])


class Joining(MemoryStore):
    """A store that joins the user, as a database does."""

    person = None

    def find(self, session_id, *, principal=False):
        """See the contract."""
        found = super().find(session_id)
        return found._replace(principal=self.person) if found is not None and principal else found


class Jar:
    """The cookies of one browser, or of a thief. Answers arrive in any order, and the last counts."""

    def __init__(self, cookie):
        self.cookie = cookie
        self.verdicts = []


class World:
    """A session, its server, and a network that delays and loses."""

    def __init__(self, draw, monkeypatch):
        self.draw, self.time, self.events, self.numbers = draw, 0.0, [], count()
        self.processes = [OLD]
        self.within(OLD)
        self.store = Joining(clock=lambda: BEGINNING + timedelta(seconds=self.time))
        self.store.person = person = auth.get_user_model()(pk=1, password="a hash")
        monkeypatch.setattr(factory, "_open", lambda url: self.store)
        self.middleware = SessionMiddleware(lambda request: HttpResponse())
        key = keys.mint()
        self.id, self.written = key.id, set()
        data = {
            auth.SESSION_KEY: "1",
            auth.BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
            auth.HASH_SESSION_KEY: person.get_session_auth_hash(),
        }
        new = NewSession(
            key.id,
            key.secret_hash,
            keys.keyed_family(key, keys.Secret(django_settings.SECRET_KEY)),
            timedelta(days=30),
            None,
            json.dumps(data),
            1,
            authenticated=True,
        )
        self.store.insert(new)
        self.browser = Jar(key.text)

    def later(self, delay, function, *args):
        """Let something happen after a delay."""
        heapq.heappush(self.events, (self.time + delay, next(self.numbers), function, args))

    def run(self):
        """Let everything happen that is on its way."""
        while self.events:
            self.time, _, function, args = heapq.heappop(self.events)
            function(*args)

    def flight(self):
        """A time in the network: mostly short."""
        return self.draw.choice((0.01, 0.05, self.draw.uniform(0, FLIGHT)))

    def send(self, jar):
        """Send a request with the cookie that the jar has now."""
        self.later(self.flight(), self.arrive, jar, jar.cookie)

    def arrive(self, jar, cookie):
        """The request begins on the server, in one of its processes."""
        process, own = self.draw.choice(self.processes), copy_context()
        request = RequestFactory().get("/", headers={"cookie": f"sessionid={cookie}"})
        self.within(process)
        own.run(self.middleware.process_request, request)
        user = own.run(principal.get_user, request)
        verdict = request.session._active.verdict
        jar.verdicts.append(verdict if verdict is not KeyStatus.LIVE or user.is_authenticated else None)
        self.later(self.draw.choice((0, 0.2, 5)), self.answer, jar, request, process, own)

    def answer(self, jar, request, process, own):
        """The request ends on the server."""
        name = f"n{next(self.numbers)}" if self.draw.random() < 0.2 and request.session.session_key else None
        if name is not None:
            request.session[name] = 1
        self.within(process)
        response = own.run(self.middleware.process_response, request, HttpResponse())
        assert response.status_code == 200
        self.written |= {name} - {None}
        if "sessionid" in response.cookies and self.draw.random() < 0.75:  # else the answer is lost
            self.later(self.flight(), setattr, jar, "cookie", response.cookies["sessionid"].value)

    @staticmethod
    def within(process):
        """Let what follows happen in a process."""
        django_settings.SECRET_KEY, django_settings.SECRET_KEY_FALLBACKS = process

    def visit(self, jar, visits):
        """Use the site for a while: bursts with pauses from nothing to a night, in which nothing is sent."""
        for _ in range(visits):
            for _ in range(self.draw.choice((1, 1, 2, 5))):
                self.later(self.draw.choice((0, 0, 0.01, 1)), self.send, jar)
            pause = self.draw.choice((0.1, 2, 10, 100, 1000, 30_000))
            limit = self.time + pause
            while self.events and self.events[0][0] <= limit:
                self.time, _, function, args = heapq.heappop(self.events)
                function(*args)
            self.time = limit
        self.run()

    def renewals(self, jar, wanted):
        """Use the site until the session was renewed so often, and each new key was seen for an overlap."""
        for _ in range(wanted):
            before = self.store.find(self.id).record.secret_hash
            for _ in range(100):  # answers get lost
                self.time += ROTATE_AFTER
                self.send(jar)
                self.run()
                record = self.store.find(self.id).record
                if record.secret_hash != before and not records.awaits_first_use(record):
                    break
            else:
                pytest.fail("the key was not renewed")
        self.time += records.ROTATE_OVERLAP.total_seconds()


@pytest.fixture(autouse=True)
def _renewing(settings):
    """Renewal is on. The audit trail is not written, because there is no database here."""
    settings.SESSIONKEEPER = {"ROTATE_AFTER": ROTATE_AFTER, "AUDIT": False}
    with override_settings():  # each event sets the key of its process
        yield


@pytest.fixture
def worlds(monkeypatch):
    """A function that makes the worlds of so many schedules."""

    def make(number):
        for seed in range(number):
            yield seed, World(random.Random(seed), monkeypatch)

    return make


@pytest.mark.rule("R42")
@pytest.mark.rule("L12")
def test_no_schedule_of_one_browser_signs_it_out_or_loses_what_it_wrote(worlds):
    renewed = 0
    for seed, world in worlds(SCHEDULES):
        first = world.browser.cookie
        world.visit(world.browser, 6)
        assert set(world.browser.verdicts) == {KeyStatus.LIVE}, f"schedule {seed}"
        assert world.written <= json.loads(world.store.find(world.id).record.data).keys()
        renewed += world.browser.cookie != first
    assert renewed > SCHEDULES / 2


@pytest.mark.rule("R47")
@pytest.mark.rule("R64")
@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([[NEW_KNOWS_OLD]], id="at once"),
        pytest.param(
            [[OLD, OLD_KNOWS_NEW], [OLD_KNOWS_NEW], [OLD_KNOWS_NEW, NEW_KNOWS_OLD], [NEW_KNOWS_OLD], [NEW]],
            id="process by process",
        ),
    ],
)
def test_no_schedule_with_a_new_secret_key_in_it_signs_the_browser_out(worlds, steps):
    for seed, world in worlds(500):
        world.visit(world.browser, 3)
        for world.processes in steps:
            world.visit(world.browser, 3)
        assert set(world.browser.verdicts) == {KeyStatus.LIVE}, f"schedule {seed}"


@pytest.mark.rule("R42")
def test_a_thief_who_renews_twice_is_found_when_the_owner_returns(worlds):
    for seed, world in worlds(1000):
        world.visit(world.browser, 2)
        thief = Jar(world.browser.cookie)
        world.renewals(thief, 2)
        world.send(world.browser)
        world.run()
        assert world.browser.verdicts[-1] is KeyStatus.COPIED, f"schedule {seed}"
        assert world.store.find(world.id) is None
        world.send(thief)
        world.run()
        assert thief.verdicts[-1] is KeyStatus.GONE


def test_a_thief_who_comes_after_a_renewal_of_the_owner_is_found(worlds):
    for seed, world in worlds(1000):
        world.visit(world.browser, 2)
        thief = Jar(world.browser.cookie)
        world.renewals(world.browser, world.draw.choice((1, 2, 3)))
        world.send(thief)
        world.run()
        assert thief.verdicts == [KeyStatus.COPIED], f"schedule {seed}"
        assert world.store.find(world.id) is None


def test_who_knows_the_id_but_no_secret_that_it_had_ends_nothing(worlds):
    for seed, world in worlds(500):
        world.visit(world.browser, 2)
        stranger = Jar(keys.rotate(keys.parse(world.browser.cookie)).text)
        world.send(stranger)
        world.visit(world.browser, 2)
        assert stranger.verdicts == [KeyStatus.STALE]
        assert set(world.browser.verdicts) == {KeyStatus.LIVE}, f"schedule {seed}"
