"""On which channel writes tell of their sessions."""

from __future__ import annotations

from contextvars import copy_context

import pytest

from sessionkeeper.stores.redis.client import announced_on, with_channel


def test_a_write_tells_on_the_channel_around_it():
    assert with_channel("merge") == "merge"
    with announced_on("near"):
        assert with_channel("merge") == "merge near"
        with announced_on("other"):
            assert with_channel("merge") == "merge other"
        assert with_channel("merge") == "merge near"
    assert with_channel("merge") == "merge"


def test_it_ends_with_its_block_whatever_happens_in_it():
    with pytest.raises(ZeroDivisionError), announced_on("near"):
        raise ZeroDivisionError
    assert with_channel("merge") == "merge"


def test_code_that_runs_beside_it_tells_nobody():
    elsewhere = copy_context()
    with announced_on("near"):
        assert elsewhere.run(with_channel, "merge") == "merge"
