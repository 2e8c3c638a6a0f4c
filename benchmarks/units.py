"""What one operation costs a Valkey or Redis server: ``python -m benchmarks.units``. Numbers for capacity.

The server counts by itself: CPU time, bytes in and out, memory. So a busy machine changes little. Sessions
are as browsers make them: signed in, a user agent of 110 characters, and what Django's ``login()`` writes.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import django
import hiredis
import redis
from django.core.management import call_command

from tools import valkey

SESSIONS = 10_000
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)
DATA = json.dumps(
    {
        "_auth_user_id": "1234567",
        "_auth_user_hash": "0123456789abcdef" * 4,
        "_auth_user_backend": "sessionkeeper.backends.ModelBackend",
    }
)


def unit(client: Any, operate: Callable[[int], object], times: int, each: int = 1) -> dict[str, float]:
    """Return the server's µs of CPU, bytes in and bytes out for one operation; a call makes ``each``."""
    before = client.info("everything")
    for number in range(times):
        operate(number)
    after = client.info("everything")
    names = ("used_cpu_user_main_thread", "used_cpu_sys_main_thread")
    cpu = sum(float(after[name]) - float(before[name]) for name in names)
    traffic = {
        way: (after[f"total_net_{way}_bytes"] - before[f"total_net_{way}_bytes"]) / (times * each)
        for way in ("input", "output")
    }
    return {"us": cpu * 1e6 / (times * each), **traffic}


def crowd(client: Any, url: str, commands: Sequence[tuple[Any, ...]], turns: int = 4000) -> dict[str, float]:
    """Return what commands in one write cost the server when 50 clients ask at once, as a busy one has it."""
    connection = client.connection_pool.get_connection()
    packed = b"".join(b"".join(connection.pack_command(*parts)) for parts in commands)
    connection.send_packed_command((packed,))
    answers = [connection.read_response() for _ in commands]
    client.connection_pool.release(connection)
    address = urlsplit(url)
    sockets = [socket.create_connection((address.hostname, address.port)) for _ in range(50)]

    def turn(_: int) -> None:
        for one in sockets:
            one.sendall(packed)
        for one in sockets:
            reader = hiredis.Reader()
            for _ in answers:
                while (answer := reader.gets()) is False:
                    reader.feed(one.recv(65_536))
                if isinstance(answer, Exception):
                    raise answer

    try:
        return unit(client, turn, turns, len(sockets))
    finally:
        for one in sockets:
            one.close()


def measure(url: str) -> dict[str, Any]:
    """Fill a server with sessions, and count what operations on them cost it."""
    from sessionkeeper.core import keys
    from sessionkeeper.core.records import NewSession, SessionPatch
    from sessionkeeper.stores.redis import client as script
    from sessionkeeper.stores.redis import open_store

    store: Any = open_store(url)
    client = redis.Redis.from_url(url)
    cart = SessionPatch('{"cart": [1, 2, 3]}')
    made = list({key.id: key for key in (keys.mint() for _ in range(SESSIONS))}.values())
    facts = {"authenticated": True, "ip_address": "203.0.113.7", "user_agent": AGENT}

    def insert(number: int) -> None:
        key = made[number]
        new = NewSession(key.id, key.secret_hash, key.family_hash, timedelta(days=30), 1_209_600, DATA)
        store.insert(new._replace(user_id=number % (SESSIONS // 2), **facts))

    empty = client.info("memory")["used_memory"]
    operations: dict[str, Callable[[int], object]] = {
        "sign in": insert,
        "request": lambda number: store.find(made[number].id),
        "touch": lambda number: store.touch(made[number].id, made[number].secret_hash),
        "save one key": lambda number: store.merge(made[number].id, made[number].secret_hash, cart, None),
        "revoke": lambda number: store.revoke(made[number].id),
    }
    found: dict[str, Any] = {}
    for name, operate in operations.items():
        found[name] = unit(client, operate, len(made))
        if operate is insert:
            found["memory"] = (client.info("memory")["used_memory"] - empty) / len(made)
        if name == "request":
            key = f"sk:s:{{{keys.encode_id(made[0].id)}}}"
            found["same, 50 clients"] = crowd(client, url, [("HGETALL", key), ("TIME",)])
            by_script = ("EVALSHA", script._SHA, 1, key, "find", "")  # noqa: SLF001 - the store's own
            found["in a Cluster, 50"] = crowd(client, url, [by_script])
    return found


def main() -> None:
    """Measure every server that can be started here; print a table."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.site.settings")
    os.environ.setdefault("BENCH_CONFIGURATION", "ours")
    os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
    django.setup()
    call_command("migrate", verbosity=0)  # for what Valkey leaves to the database
    for name, program in valkey.programs().items():
        for options in ((), ("--hash-max-listpack-value", "512")):
            with valkey.private_server(program, *options) as url:
                found = measure(url)
            title = " ".join((name, *options))
            print(f"\n{title}: {found.pop('memory'):.0f} bytes a session, its indexes included")
            print(f"{'operation':16}  server µs  bytes in  bytes out")
            for operation, cost in found.items():
                print(f"{operation:16}  {cost['us']:9.1f}  {cost['input']:8.0f}  {cost['output']:9.0f}")


if __name__ == "__main__":
    main()
