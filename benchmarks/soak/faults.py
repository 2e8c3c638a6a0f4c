"""Faults at random: the store is paused, or killed and started again, and workers are killed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress

from benchmarks.soak.report import HEALED, Report
from benchmarks.soak.server import Server
from tools.servers import Server as Store

#: Longest time without a store, in seconds.
LONGEST = 3.0
#: Shortest and longest time from the end of a fault to the next one: more than it takes to heal.
BETWEEN = (HEALED + 1, HEALED + 4)


class Faults(threading.Thread):
    """Causes one fault after the other, and says when."""

    def __init__(self, server: Server, store: Store, report: Report, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._server, self._store, self._report, self._ended = server, store, report, stop
        self._random = random.Random()

    def run(self) -> None:
        kinds = [self._pause, self._kill, self._kill_worker]
        turns = []
        try:
            self._ended.wait(2)
            while not self._ended.is_set():
                turns = turns or self._random.sample(kinds, len(kinds))
                turns.pop()()
                self._ended.wait(self._random.uniform(*BETWEEN))
        except Exception as error:
            self._report.note(self._report.errors, f"the soak itself: {error!r}")
            raise

    def _while_it_lasts(self) -> None:
        self._ended.wait(self._random.uniform(0.5, LONGEST))

    def _pause(self) -> None:
        window = self._report.begin("pauses of the store", time.monotonic())
        self._store.pause()
        self._while_it_lasts()
        self._store.resume()
        window[1] = time.monotonic()

    def _kill(self) -> None:
        window = self._report.begin("kills of the store", time.monotonic())
        self._store.kill()
        self._while_it_lasts()
        self._store.start()
        window[1] = time.monotonic()

    def _kill_worker(self) -> None:
        window = self._report.begin("kill -9 of a worker", time.monotonic())
        with suppress(ProcessLookupError, IndexError):
            os.kill(self._random.choice(self._server.workers()), signal.SIGKILL)
        window[1] = time.monotonic()
