"""A connection that only listens: what comes in pieces, and what ends it."""

from __future__ import annotations

import socket

import pytest

from sessionkeeper.stores.near_cache.redis import Subscriber

SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnear\r\n:1\r\n"


def message(text):
    return b"*3\r\n$7\r\nmessage\r\n$4\r\nnear\r\n$%d\r\n%s\r\n" % (len(text), text)


class Connection:
    """What a subscriber needs of redis-py's connections."""

    def __init__(self):
        self._sock, self.server = socket.socketpair()

    def connect(self):
        """Be connected already."""

    def disconnect(self):
        self._sock.close()


@pytest.fixture
def connection():
    connection = Connection()
    yield connection
    connection.disconnect()
    connection.server.close()


@pytest.fixture
def subscriber(connection):
    connection.server.sendall(SUBSCRIBED)
    return Subscriber(connection, "near", seconds=5)


def heard(subscriber):
    texts = []
    subscriber.read_messages(texts.append)
    return texts


def test_it_subscribes_and_waits_for_nothing(connection, subscriber):
    assert connection.server.recv(100) == b"*2\r\n$9\r\nSUBSCRIBE\r\n$4\r\nnear\r\n"
    assert heard(subscriber) == []


def test_messages_are_heard_in_turn(connection, subscriber):
    connection.server.sendall(message(b"one") + message(b"") + message(b"two"))
    assert heard(subscriber) == ["one", "", "two"]


def test_a_message_that_comes_in_pieces_is_heard_once_it_is_whole(connection, subscriber):
    whole = message(b"in\r\npieces")
    for index in range(len(whole) - 1):
        connection.server.sendall(whole[index : index + 1])
        assert heard(subscriber) == []
    connection.server.sendall(whole[-1:])
    assert heard(subscriber) == ["in\r\npieces"]


def test_an_answer_is_a_sign_of_life(connection, subscriber):
    subscriber.ping()
    assert subscriber.awaits_pong
    assert heard(subscriber) == []
    assert subscriber.awaits_pong
    connection.server.sendall(b"*2\r\n$4\r\npong\r\n$0\r\n\r\n")
    assert heard(subscriber) == []
    assert not subscriber.awaits_pong


def test_a_connection_that_the_server_closed_is_an_error(connection, subscriber):
    connection.server.close()
    with pytest.raises(ConnectionError):
        heard(subscriber)


def test_a_server_that_does_not_let_us_subscribe_is_an_error(connection):
    connection.server.sendall(b"-NOPERM no permissions\r\n")
    with pytest.raises(Exception, match="NOPERM"):
        Subscriber(connection, "near", seconds=5)


def test_a_server_that_says_nothing_is_waited_for_so_long_and_no_longer(connection):
    with pytest.raises(TimeoutError):
        Subscriber(connection, "near", seconds=0.01)
