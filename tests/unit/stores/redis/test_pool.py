"""The pool of the Valkey/Redis store: as large as it says, and no answer goes to somebody else."""

from __future__ import annotations

import os
import threading
import time
import warnings
from contextlib import contextmanager
from functools import partial

import pytest
from redis import exceptions
from redis.connection import Connection

from sessionkeeper.conf import redis_url
from sessionkeeper.stores.redis.connections import THREADS, connect
from tests.stores import server_url
from tools.valkey import with_options


@pytest.fixture
def opened():
    """A function that returns a client with options in its URL."""
    clients = []

    def open_with(**options):
        url = with_options(server_url("valkey"), **options)
        clients.append(connect(redis_url.parse(url), THREADS))
        return clients[-1]

    yield open_with
    for client in clients:
        client.delete("text", "hash")
        client.close()


@pytest.fixture
def client(opened):
    """A client of two connections."""
    return opened(connections=2)


def number_of(client):
    """How many connections the pool has made, and how many of them are open at this end."""
    made = client.connection_pool._connections
    return len(made), sum(one._sock is not None for one in made)


def together(functions):
    """Run functions in threads of their own, and wait for all."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_share_no_more_connections_than_there_may_be(client):
    pool, wrong = client.connection_pool, []

    def work(thread):
        try:
            for turn in range(200):
                text = f"{thread}-{turn}".encode()
                told = [pool.command("ECHO", text), client.echo(text.decode())][turn % 2]
                if told != text:
                    wrong.append((told, text))
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append(error)

    together([partial(work, number) for number in range(8)])
    assert wrong == []
    assert number_of(client)[0] <= 2


def test_who_waits_for_a_connection_gets_one_that_was_kept_aside(opened):
    client = opened(connections=1)
    pool = client.connection_pool
    assert pool.command("ECHO", "mine") == b"mine"
    assert client.echo("yours") == b"yours"  # by redis-py's own way
    taken = pool.get_connection()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(pool.command("ECHO", "x"))),
        threading.Thread(target=lambda: answers.append(client.echo("x"))),
    ]
    for thread in threads:
        thread.start()
    while len(pool._waiting) < 2:
        time.sleep(0.001)
    pool.release(taken)
    for thread in threads:
        thread.join()
    assert answers == [b"x", b"x"]
    assert pool.command("ECHO", "mine") == b"mine"
    assert number_of(client) == (1, 1)


def test_all_connections_taken_is_an_error_after_the_time_of_the_queue(opened):
    client = opened(connections=1, queue_timeout=0.05)
    taken = client.connection_pool.get_connection()
    with pytest.raises(exceptions.ConnectionError):
        client.connection_pool.command("ECHO", "x")
    client.connection_pool.release(taken)
    assert client.connection_pool.command("ECHO", "x") == b"x"


@contextmanager
def interrupted(monkeypatch, method, error):
    """Let the next call of a connection's method raise after it has done its work."""
    real = getattr(Connection, method)

    def interrupt(self, *args, **options):
        monkeypatch.setattr(Connection, method, real)
        real(self, *args, **options)
        raise error

    monkeypatch.setattr(Connection, method, interrupt)
    yield
    monkeypatch.setattr(Connection, method, real)


@pytest.mark.parametrize("method", ["send_packed_command", "read_response"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), GeneratorExit(), exceptions.ConnectionError()])
def test_nobody_reads_an_answer_that_was_meant_for_somebody_else(client, monkeypatch, method, error):
    pool = client.connection_pool
    assert pool.command("ECHO", "before") == b"before"
    with interrupted(monkeypatch, method, error), pytest.raises(type(error)):
        pool.exchange(b"PING first\r\nPING second\r\n", 2)
    assert pool.command("ECHO", "mine") == b"mine"
    assert client.echo("mine") == b"mine"
    assert number_of(client)[0] <= 2


def test_an_error_among_the_answers_leaves_none_behind(client):
    pool = client.connection_pool
    client.set("text", "x")
    with pytest.raises(exceptions.ResponseError, match="WRONGTYPE"):
        pool.exchange(b"HGETALL text\r\nTIME\r\n", 2)
    assert pool.command("ECHO", "mine") == b"mine"
    with pytest.raises(exceptions.NoScriptError):
        pool.command("EVALSHA", "0" * 40, 0)
    assert pool.command("ECHO", "mine") == b"mine"
    assert number_of(client) == (1, 1)


def test_a_value_that_cannot_be_sent_is_refused_and_costs_no_answer(client):
    with pytest.raises(exceptions.DataError):
        client.connection_pool.command("SET", "text", object())
    assert client.connection_pool.command("ECHO", "mine") == b"mine"


def test_a_server_that_closes_connections_is_an_error_once(client):
    pool = client.connection_pool
    pool.command("ECHO", "x")
    other = connect(redis_url.parse(server_url("valkey")), THREADS)
    other.client_kill_filter(_type="normal", skipme=True)
    other.close()
    with pytest.raises(exceptions.ConnectionError):
        pool.command("ECHO", "x")
    assert pool.command("ECHO", "x") == b"x"


def test_closing_closes_what_is_kept_aside(client):
    client.connection_pool.command("ECHO", "x")
    assert number_of(client) == (1, 1)
    client.connection_pool.disconnect(inuse_connections=False)
    assert number_of(client) == (1, 0)
    assert client.connection_pool.command("ECHO", "x") == b"x"


def test_a_child_of_a_fork_opens_connections_of_its_own(client):
    pool = client.connection_pool
    mine = pool.command("CLIENT", "ID")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if pool.command("CLIENT", "ID") != mine else 1)
            finally:
                os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert pool.command("CLIENT", "ID") == mine
