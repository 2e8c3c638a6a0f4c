"""``python -m benchmarks.timing``: whether the time of a refused sign-in tells why it was refused.

Each class has the same number of tries at the API's login, in random order, through the whole stack of
middleware, with a cheap password hash so that what is not the hash shows. Printed for each class: the median,
the difference to the median of the first class of its group, and the probability that a try takes longer
than one of the first (0.5: nothing to tell; Mann and Whitney's U, with its two-sided p). What is measured is
the CPU time of the thread, which has everything in it here, the database too: other programs do not show.
"""

from __future__ import annotations

import argparse
import bisect
import gc
import json
import math
import os
import random
import statistics
import time
from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher

PASSWORD = "correct horse battery staple"
COUNTED = ("unknown", "wrong", "inactive", "unusable")
LOCKED = ("locked, unknown", "locked, wrong", "locked, right")


class CheapHasher(PBKDF2PasswordHasher):
    algorithm = "cheap"
    iterations = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=2000, help="tries of each class")
    options = parser.parse_args()
    prepare()
    times = measure(options.tries)
    print(f"{options.tries} tries a class, {CheapHasher.iterations} rounds of PBKDF2\n")
    print(f"{'class':<18}{'median, µs':>12}{'difference':>12}{'P(longer)':>11}{'p':>8}")
    for group in (COUNTED, LOCKED):
        first = times[group[0]]
        for name in group:
            median, longer, p = statistics.median(times[name]), *compare(first, times[name])
            difference = median - statistics.median(first)
            print(f"{name:<18}{median:>12.0f}{difference:>+12.1f}{longer:>11.3f}{p:>8.3f}")


def prepare() -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["benchmarks.timing.CheapHasher"]
    settings.AUTHENTICATION_BACKENDS = ["sessionkeeper.backends.ModelBackend"]
    settings.ROOT_URLCONF = "tests.http.api_site"
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SESSIONKEEPER = {
        "SOURCE_TRIES": 1_000_000,
        "LOCKOUT_DELAY": 36_000,
        "LOCKOUT_LONGEST_DELAY": 36_000,
    }
    django.setup()
    import logging

    logging.disable(logging.CRITICAL)
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    for name in ("wrong", "inactive", "unusable", "locked-wrong", "locked-right"):
        password = None if name == "unusable" else PASSWORD
        users.create_user(name, f"{name}@example.org", password, is_active=name != "inactive")


def measure(tries: int) -> dict[str, list[float]]:
    from django.test import Client

    from sessionkeeper.models import LoginAttempt

    names = {kind: kind.replace("locked, ", "locked-") for kind in (*COUNTED, *LOCKED)}
    client = Client(headers={"sec-fetch-site": "same-origin"})

    def once(kind: str) -> tuple[float, int]:
        given = PASSWORD if kind == "locked, right" else "wrong"
        body = json.dumps({"username": names[kind], "password": given})
        start = time.thread_time_ns()
        response = client.post("/api/auth/login/", body, content_type="application/json")
        return (time.thread_time_ns() - start) / 1000, response.status_code

    for kind in LOCKED:
        for _ in range(6):
            once(kind) if kind != "locked, right" else fail(client, names[kind])
    plan = [kind for kind in names for _ in range(tries)]
    random.shuffle(plan)
    times: dict[str, list[float]] = {kind: [] for kind in names}
    gc.disable()
    for number, kind in enumerate(plan):
        if number % 100 == 0:
            gc.collect()
        if kind in COUNTED:
            LoginAttempt._base_manager.filter(kind__in=["account", "name"], until=0).update(failures=0)
        took, status = once(kind)
        if status != (401 if kind in COUNTED else 429):
            raise SystemExit(f"{kind}: answered {status}")
        times[kind].append(took)
    return times


def fail(client: Any, name: str) -> None:
    body = json.dumps({"username": name, "password": "wrong"})
    client.post("/api/auth/login/", body, content_type="application/json")


def compare(first: list[float], second: list[float]) -> tuple[float, float]:
    """How probable it is that one of the second takes longer, and the two-sided p of Mann and Whitney."""
    ordered, n, m = sorted(first), len(first), len(second)
    below = sum((bisect.bisect_left(ordered, one) + bisect.bisect_right(ordered, one)) / 2 for one in second)
    z = (below - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return below / (n * m), math.erfc(abs(z) / math.sqrt(2))


if __name__ == "__main__":
    main()
