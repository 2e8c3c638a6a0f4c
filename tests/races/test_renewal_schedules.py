"""Ten thousand made-up days of a browser whose key is renewed: nobody is signed out, every thief is found.

A schedule is drawn from a number: tabs that send bursts, answers that are late, out of order or lost, nights
with answers still on their way, a change of SECRET_KEY, saves in between, somebody with a copy of the cookie.
The server is the real handle over the reference store, whose clock is moved from event to event.
"""

from __future__ import annotations

import heapq
import json
import random
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from django.test import override_settings

from sessionkeeper.core import keys, records
from sessionkeeper.core.records import COOKIE, KeyStatus, NewSession
from sessionkeeper.engine import lookup
from sessionkeeper.engine.active_session import ActiveSession
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.stores import factory
from tests.memory_store import MemoryStore

SCHEDULES = 10_000
ROTATE_AFTER = 900
#: Longest time that a request and its answer may spend in the network, together under the overlap.
FLIGHT = 29
BEGINNING = datetime(2026, 6, 1, tzinfo=UTC)


class Jar:
    """The cookies of one browser, or of a thief. Answers arrive in any order, and the last counts."""

    def __init__(self, cookie):
        self.cookie = cookie
        self.verdicts = []


class World:
    """A session, its server, and a network that delays and loses."""

    def __init__(self, draw, monkeypatch):
        self.draw, self.time, self.events, self.numbers = draw, 0.0, [], count()
        self.store = MemoryStore(clock=lambda: BEGINNING + timedelta(seconds=self.time))
        monkeypatch.setattr(factory, "_open", lambda url: self.store)
        key = keys.mint()
        self.id, self.written = key.id, set()
        self.store.insert(
            NewSession(
                key.id,
                key.secret_hash,
                key.family_hash,
                timedelta(days=30),
                None,
                '{"_auth_user_id": "1"}',
                1,
                authenticated=True,
            )
        )
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
        """The request begins on the server."""
        active = ActiveSession(ClientInfo())
        data = active.attach(*lookup.resolve(cookie, transport=COOKIE, detect_reuse=True))
        jar.verdicts.append(active.verdict)
        if data is not None:
            self.later(self.draw.choice((0, 0.2, 5)), self.answer, jar, active, data)

    def answer(self, jar, active, data):
        """The request ends on the server, as the middleware ends it."""
        renewed = active.renew_if_due()
        if self.draw.random() < 0.2:
            name = f"n{next(self.numbers)}"
            data[name] = 1
            active.merge(data)
            self.written.add(name)
        else:
            active.touch_if_due()
        if renewed and self.draw.random() < 0.75:  # else the answer is lost
            self.later(self.flight(), setattr, jar, "cookie", active.key.text)

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
def test_no_schedule_with_a_new_secret_key_in_it_signs_the_browser_out(worlds):
    for seed, world in worlds(500):
        world.visit(world.browser, 3)
        with override_settings(SECRET_KEY="next", SECRET_KEY_FALLBACKS=["tests-only"]):
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
