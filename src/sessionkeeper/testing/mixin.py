"""The helpers as methods, for Django's ``TestCase`` and for the fixture of pytest."""

from __future__ import annotations

from sessionkeeper.testing import assertions, clients, conditions, times


class SessionTestMixin:
    """The functions of this module as methods: ``class MyTests(SessionTestMixin, TestCase)``.

    The pytest fixture ``sessionkeeper`` is an instance of it.
    """

    sign_in = staticmethod(clients.sign_in)
    second_device = staticmethod(clients.second_device)
    fresh_proof = staticmethod(times.fresh_proof)
    stale_proof = staticmethod(times.stale_proof)
    travel = staticmethod(times.travel)
    travel_past_idle_timeout = staticmethod(times.travel_past_idle_timeout)
    travel_past_absolute_timeout = staticmethod(times.travel_past_absolute_timeout)
    lock_account = staticmethod(conditions.lock_account)
    store_outage = staticmethod(conditions.store_outage)
    assert_signed_in = staticmethod(assertions.assert_signed_in)
    assert_session_ended = staticmethod(assertions.assert_session_ended)
