"""How long another process lets a revoked session in, with a near cache: ``python -m benchmarks.revocation``.

Two processes on one PostgreSQL; with ``--channel valkey`` the sessions and the channel are in a Valkey beside
it. One revokes; the other asks who a request is from, over and over, until it is
refused. Two times count from the moment when ``revoke`` has returned: until the last request *began* that was
let in, and until the first one *was refused*, which includes its question to the store. The clock is one for
both.

- *idle*: the other process does nothing but a request now and then.
- *busy*: it computes in Python between its requests, without a pause.
- *busy threads*: besides, another thread computes in Python all the time.
- *terminated*: just before the revocation the server ends its listening connection.
- *silent*: just before the revocation that connection's server process is stopped, so that nothing is said;
  at Valkey, which has one process for all, the other process hears nothing any more of what it is sent.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import django

from benchmarks import databases, machine
from benchmarks.configurations import NEAR

OUT = Path(__file__).parent / "out"
#: Channel to the configuration whose near cache listens there.
CHANNELS = {"postgresql": NEAR, "valkey": "ours-valkey-near"}
_PAUSE = 0.0002


class Other:
    """The process that is to refuse, as the one that revokes sees it."""

    def __init__(self, kind: str, channel: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.revocation", "--channel", channel, "--other", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def show(self, key: str) -> int:
        """Let it remember a session, and ask for it from now on. Return the process that tells it."""
        assert self._process.stdin is not None
        self._process.stdin.write(key + "\n")
        self._process.stdin.flush()
        return int(self._heard())

    def refused(self) -> tuple[int, int]:
        """Wait until it refuses; return when the last request began that it let in, and when it refused."""
        let_in, refused = self._heard()
        return let_in, refused

    def _heard(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def be_other(kind: str, channel: str) -> None:
    """Be the process that is to refuse."""
    from sessionkeeper.stores.factory import get_near_cache

    near: Any = get_near_cache()
    if channel == "valkey":
        signal.signal(signal.SIGUSR1, lambda *_: _be_deaf(near))
    if kind == "busy threads":
        threading.Thread(target=_compute, daemon=True).start()
    for line in sys.stdin:
        key, hits = line.strip(), near.counters.hits
        while near.counters.hits == hits:
            _asks(key)
        listening = near._channel._connection  # noqa: SLF001 - for the benchmark's eyes
        _say(os.getpid() if channel == "valkey" else listening.info.backend_pid)
        began = let_in = 0
        while _asks(key):
            let_in = began
            if kind == "idle":
                time.sleep(_PAUSE)
            else:
                _compute(5_000)
            began = time.monotonic_ns()
        _say([let_in, time.monotonic_ns()])


def _be_deaf(near: Any) -> None:
    for member in near._channel._connection.members:  # noqa: SLF001 - as above
        member.read_messages = lambda deliver: None


def _compute(steps: float = float("inf")) -> None:
    number = 0
    while steps > 0:
        number = (number * 31 + 7) % 1_000_003
        steps -= 1


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _asks(key: str) -> bool:
    from sessionkeeper.engine import principal
    from sessionkeeper.engine.session_store import SessionStore

    session = SessionStore(key)
    session.principal_wanted = True
    return bool(principal.get_user(SimpleNamespace(session=session)).is_authenticated)


def trial(other: Other, user: Any, cut: str, channel: str) -> tuple[float, float]:
    """Return the milliseconds from the return of a revocation to the last yes and the first no elsewhere."""
    from sessionkeeper.core import keys
    from sessionkeeper.stores.factory import get_store

    key = _sign_in(user)
    pid = other.show(key)
    time.sleep(random.uniform(0, 0.02))
    stopped = _cut_at_valkey(cut, pid) if channel == "valkey" else _cut(cut, pid)
    try:
        get_store().revoke(keys.parse(key).id)  # type: ignore[union-attr]
        returned = time.monotonic_ns()
        let_in, refused = other.refused()
    finally:
        if stopped:
            os.kill(pid, signal.SIGCONT)
    return max(let_in - returned, 0) / 1e6, max(refused - returned, 0) / 1e6


def _cut(kind: str, pid: int) -> bool:
    from django.db import connection

    if kind == "terminated":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    elif kind == "silent":
        if "postgres" not in Path(f"/proc/{pid}/comm").read_text():
            raise SystemExit("The server is not on this machine: run without DATABASE_URL.")
        os.kill(pid, signal.SIGSTOP)
        return True
    return False


def _cut_at_valkey(kind: str, pid: int) -> bool:
    from sessionkeeper.stores.redis import open_store

    if kind == "terminated":
        store = open_store(os.environ["BENCH_REDIS"])
        store.client.connection.client_kill_filter(_type="pubsub")
        store.client.close()
    elif kind == "silent":
        os.kill(pid, signal.SIGUSR1)
    return False


def _sign_in(user: Any) -> str:
    from django.contrib import auth

    from sessionkeeper.engine.session_store import SessionStore

    session = SessionStore()
    session[auth.SESSION_KEY] = str(user.pk)
    session[auth.BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[auth.HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def measure(trials: int, cuts: int, channel: str) -> dict[str, dict[str, Any]]:
    """Run everything on the database of the environment."""
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    user = get_user_model().objects.create_user("alice", password="x")
    plan = [(kind, "", trials) for kind in ("idle", "busy", "busy threads")]
    plan += [("idle", cut, cuts) for cut in ("terminated", "silent")]
    results: dict[str, dict[str, Any]] = {}
    for kind, cut, times in (one for one in plan if one[2]):
        with Other(kind, channel) as other:
            trial(other, user, "", channel)
            found = [trial(other, user, cut, channel) for _ in range(times)]
        let_in, refused = zip(*found, strict=True)
        results[cut or kind] = {"trials": times, "let in": _spread(let_in), "refused": _spread(refused)}
    return results


def _spread(found: Sequence[float]) -> dict[str, float]:
    ordered = sorted(found)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)],
        "max": ordered[-1],
    }


def show(results: dict[str, dict[str, Any]], channel: str) -> None:
    print(f"Milliseconds after revoke() returned, in another process, told over {channel}")
    print(f"{'':<14} {'':>7} {'the last that was let in began':>32} {'the first refusal':>28}")
    print(f"{'the process is':<14} {'trials':>7} " + f"{'p50':>12} {'p99':>9} {'max':>9}" * 2)
    for name, one in results.items():
        numbers = [one[what][share] for what in ("let in", "refused") for share in ("p50", "p99", "max")]
        print(
            f"{name:<14} {one['trials']:>7} "
            + "".join(f"{number:>{12 if place % 3 == 0 else 10}.2f}" for place, number in enumerate(numbers))
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--channel", choices=CHANNELS, default="postgresql")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--other", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    channel = arguments.channel
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "benchmarks.site.settings",
        "BENCH_CONFIGURATION": CHANNELS[channel],
    }
    if arguments.other:
        django.setup()
        be_other(arguments.other, channel)
        return
    with databases.postgresql() as url, databases.redis() as (server, _):
        if channel == "valkey" and server is None:
            raise SystemExit("There is no Valkey or Redis to measure: see python -m tools.valkey.")
        os.environ["DATABASE_URL"] = url
        django.setup()
        results = measure(arguments.trials, arguments.cuts, channel)
        from django.db import connections

        connections.close_all()
    show(results, channel)
    out = arguments.out or OUT / f"revocation-{channel}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine.describe(), "ms": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()
