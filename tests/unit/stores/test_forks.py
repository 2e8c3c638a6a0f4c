"""What a process leaves to its children: nothing that holds a lock, a socket or a thread."""

from __future__ import annotations

import gc
import os
import warnings

from sessionkeeper.stores import forks


class Resettable:
    """Knows whether it was reset."""

    is_reset = False

    def reset(self):
        """Remember it."""
        self.is_reset = True


def status_of_child(function):
    """Run a function in the child of a fork; return the exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
    if child == 0:
        os._exit(function())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_resets_what_is_registered_and_its_parent_does_not():
    one = Resettable()
    forks.reset_in_child(one)
    assert status_of_child(lambda: 7 if one.is_reset else 1) == 7
    assert not one.is_reset


def test_what_is_gone_is_not_kept_for_the_sake_of_a_fork():
    forks.reset_in_child(Resettable())
    gc.collect()
    assert not any(isinstance(one, Resettable) for one in forks._registered)
