"""A method and its async form do the same."""

from __future__ import annotations

import pytest

from sessionkeeper.engine.session_store import SessionStore
from sessionkeeper.stores.factory import async_form

pytestmark = [pytest.mark.any_user, pytest.mark.django_db(transaction=True)]


class Counter:
    """Has a method and its async form."""

    def add(self, number, *, times=1):
        """Add a number."""
        return self.start + number * times

    start = 1
    aadd = async_form(add)


class Doubled(Counter):
    """Overrides the method alone."""

    def add(self, number, *, times=1):
        return 2 * super().add(number, times=times)


async def test_it_calls_the_method_of_the_object_with_its_arguments():
    assert await Counter().aadd(2, times=3) == 7
    assert await Doubled().aadd(2, times=3) == 14


def test_it_is_named_after_the_method():
    assert (Counter.aadd.__name__, Counter.aadd.__doc__) == ("aadd", "Async form of :meth:`add`.")


async def test_a_session_is_stored_and_ended_by_them():
    session = SessionStore()
    session["a"] = 1
    await session.asave()
    assert await SessionStore(session.session_key).aload() == {"a": 1}
    await session.aflush()
    assert not await SessionStore().aexists(session.session_key)
