"""Theft from a Valkey server: its files, its keys and its logs, read by whoever gets hold of them."""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
import redis

from sessionkeeper.core import keys
from tests import contents
from tests.conftest import PASSWORD
from tests.transports import TRANSPORTS, TokenApi
from tools import valkey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.attacks.site")]
CANDIDATE = re.compile(r"[A-Za-z0-9_-]{11,}")
#: Nothing is packed, every command is noted, and so is every write.
OPEN = (
    *("--rdbcompression", "no", "--appendonly", "yes"),
    *("--slowlog-log-slower-than", "0", "--slowlog-max-len", "100000"),
)


@pytest.fixture(scope="module")
def server():
    """A server of its own, that keeps files."""
    found = valkey.programs()
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(valkey.MISSING)
    with valkey.private_server(next(iter(found.values())), *OPEN) as url, redis.Redis.from_url(url) as client:
        yield client


@pytest.fixture
def victims(server, settings, alice):
    """A browser and a program that have been signed in for a while; all keys that they ever held."""
    server.flushall()
    port = server.connection_pool.connection_kwargs["port"]
    settings.SESSIONKEEPER = {"STORE": valkey.with_options(f"redis://127.0.0.1:{port}/0"), "ROTATE_AFTER": 60}
    clients, held = [client() for client in TRANSPORTS.values()], []

    def note():
        held.extend(client.key for client in clients)

    for client in clients:
        client.log_in(alice, label="at home")
    note()
    contents.set_back("created_at", "authenticated_at", "last_seen_at", minutes=10)
    for client in clients:
        assert client.whoami().status_code == 200  # the browser gets another key
    note()
    for client in clients:
        assert client.send("/api/auth/reauthenticate/", {"password": PASSWORD}).status_code == 200
    note()
    gone = TRANSPORTS["cookie"]()
    gone.log_in(alice)
    held.append(gone.key)
    gone.log_out()
    assert len(set(held)) == 5  # three of the browser, the program's one, and that of the session that ended
    return clients, {keys.parse(key) for key in held}


def files(server):
    """The dump, and the log of writes, as they lie on the disk."""
    server.save()
    folder = Path(server.config_get("dir")["dir"])
    found = [path for path in folder.rglob("*") if path.suffix in {".rdb", ".aof"}]
    assert {path.suffix for path in found} == {".rdb", ".aof"}
    return b"\n".join(path.read_bytes() for path in found)


def contents_of_all_keys(server):
    """What a client may read."""
    read = {
        b"hash": lambda key: [part for pair in server.hgetall(key).items() for part in pair],
        b"zset": lambda key: server.zrange(key, 0, -1),
        b"string": lambda key: [server.get(key)],
    }
    return b"\n".join(part for key in server.scan_iter() for part in (key, *read[server.type(key)](key)))


def commands(server):
    """The commands that were sent, with their arguments."""
    text = b"\n".join(entry["command"] for entry in server.slowlog_get(100_000))
    assert b"EVALSHA" in text
    return text


@pytest.mark.rule("R06")
@pytest.mark.parametrize("steal", [files, contents_of_all_keys, commands])
def test_what_a_server_gives_out_holds_no_secret_and_signs_nobody_in(server, victims, steal):
    clients, held = victims
    stolen = steal(server)
    for key in held:
        assert keys.encode_id(key.id).encode() in stolen or steal is contents_of_all_keys
        for part in (key.secret, key.secret[: keys.ROTATING_LENGTH]):
            assert part.encode() not in stolen
    for text in set(CANDIDATE.findall(stolen.decode("latin-1"))) | passed_hashes():
        assert is_nobody(text), text
    assert [client.whoami().status_code for client in clients] == [200, 200]


def passed_hashes():
    """The keys that somebody would make of what is stored, if a hash were as good as a secret."""
    made = set()
    for record in contents.records():
        for digest in (record.secret_hash, record.previous_hash, record.family_hash):
            for text in (digest.hex(), urlsafe_b64encode(digest).decode()) if digest else ():
                made.add(keys.encode_id(record.id) + text[: keys.KEY_LENGTH - keys.ID_LENGTH])
    assert len(made) >= 8
    return made


def is_nobody(text):
    """Whether nobody is signed in by this, in either way."""
    for client in TRANSPORTS.values():
        thief = client()
        if not isinstance(thief, TokenApi) or keys.parse(text) is not None:
            thief.key = text
        else:
            thief.bearer = f"sess_{text}"
        if thief.whoami().status_code not in {400, 401}:
            return False
    return True
