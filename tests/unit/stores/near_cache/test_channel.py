"""A channel of the near cache is believed while it is proven alive."""

from __future__ import annotations

import pytest

from tests.unit.stores.near_cache.remembering import cost, remembered

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_a_message_that_nobody_understands_forgets_everything(sides, key):
    sides.there._channel.publish("x")
    assert not remembered(sides, key)


def test_a_channel_that_is_not_trusted_is_as_no_near_cache(sides, key, user):
    sides.here._channel.trusted = False
    for _ in range(2):
        assert cost(sides.ask, key)[1] == ["SELECT"]
    assert sides.here.counters.distrusted == 2
    sides.here._channel.trusted = True
    assert cost(sides.ask, key)[1] == []


def test_what_was_kept_before_the_channel_was_cut_is_not_believed(sides, key):
    sides.here._channel.epoch = 2
    assert cost(sides.ask, key)[1] == ["SELECT"]
    assert cost(sides.ask, key)[1] == []
