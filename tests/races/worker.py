"""One process of a race. Says what happened on standard output, one JSON line for each thing.

``write KEY NAME COUNT`` writes that many values; ``load|save|rotate|touch KEY…`` uses each session until it
is gone, and says when the last use that went well began; ``guess NAME COUNT`` guesses at a password;
``near KEY…`` says when its near cache remembers each session, and when it is refused.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

import django
from django.db import connection
from django.test import RequestFactory


def say(*what):
    """Tell the test."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def write(key, name, count):
    """Write values of one's own into a session that others write to as well."""
    from sessionkeeper.engine.session_store import SessionStore

    say("ready")
    sys.stdin.readline()
    for number in range(int(count)):
        session = SessionStore(key)
        session[f"{name}-{number}"] = number
        session.save()
    say("done")


def guess(name, count):
    """Guess so often at once at the password of an account; say how many guesses were looked at."""
    count = int(count)
    barrier, looked_at = threading.Barrier(count + 1), []

    def one():
        barrier.wait()
        looked_at.append(try_once(name))
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    say("ready")
    sys.stdin.readline()
    barrier.wait()
    for thread in threads:
        thread.join()
    say("done", sum(looked_at), len(looked_at))


def believe_in_the_keys():
    """Take the keys of a Valkey for this site's: the database in memory of this process has no mark of it."""
    from sessionkeeper import conf
    from sessionkeeper.conf import redis_url
    from sessionkeeper.stores.factory import get_store
    from tests.stores import of_this_site

    if redis_url.is_redis(conf.current().store):
        of_this_site(get_store().store)


def try_once(name):
    """Guess once, with a wrong password."""
    from sessionkeeper.auth import lockout
    from sessionkeeper.core import context
    from sessionkeeper.core.errors import TooManyTries

    context.begin()
    given = {"username": name, "password": "wrong"}
    request = RequestFactory(REMOTE_ADDR="192.0.2.1").post("/")
    try:
        lockout.begin(request, given)
    except TooManyTries:
        return False
    lockout.failed(request, given, None)
    return True


def use(kind, keys):
    """Use each session until it has been gone for three times in a row."""
    for number, first in enumerate(keys):
        key, last, refused, told = first, None, 0, False
        while refused < 3:
            began = time.monotonic()
            new = USES[kind](key)
            if new is None:
                refused += 1
                continue
            key, last, refused = new, began, 0
            if not told:
                say("alive", number)
                told = True
        say("gone", number, last)


def load(key):
    """Read; return the key that opens the session, or None."""
    from sessionkeeper.engine.session_store import SessionStore

    return key if SessionStore(key).get("a") == 1 else None


def save(key):
    """Write."""
    from sessionkeeper.core.errors import SessionGone
    from sessionkeeper.engine.session_store import SessionStore

    session = SessionStore(key)
    if session.get("a") != 1:
        return None
    session["n"] = session.get("n", 0) + 1
    try:
        session.save()
    except SessionGone:
        return None
    return key


def rotate(key):
    """Change the key."""
    from sessionkeeper.engine.session_store import SessionStore

    session = SessionStore(key)
    if session.get("a") != 1:
        return None
    session.cycle_key()
    return session.session_key if load(session.session_key) else None


def touch(key):
    """Record use."""
    from sessionkeeper.core import keys
    from sessionkeeper.stores.factory import get_store

    parsed = keys.parse(key)
    return key if get_store().touch(parsed.id, parsed.secret_hash) else None


def near(*made):
    """Ask who each key is from until the near cache knows, and again until it is refused."""
    from types import SimpleNamespace

    from django.conf import settings

    from sessionkeeper.engine import principal
    from sessionkeeper.engine.session_store import SessionStore
    from sessionkeeper.stores.factory import get_near_cache

    settings.SESSIONKEEPER = {"NEAR_CACHE": True, "STORE": os.environ.get("WORKER_STORE", "database:")}

    def ask(key):
        session = SessionStore(key)
        session.principal_wanted = True
        return principal.get_user(SimpleNamespace(session=session)).is_authenticated

    for number, key in enumerate(made):
        hits = get_near_cache().counters.hits
        while get_near_cache().counters.hits == hits:
            ask(key)
        say("remembered", number)
        while ask(key):
            pass
        say("refused", number)


USES = {"load": load, "save": save, "rotate": rotate, "touch": touch}


if __name__ == "__main__":
    django.setup()
    command, *arguments = sys.argv[1:]
    if command != "near":  # which has settings of its own, and a database
        believe_in_the_keys()
    if command == "write":
        write(*arguments)
    elif command == "guess":
        guess(*arguments)
    elif command == "near":
        near(*arguments)
    else:
        use(command, arguments)
