"""A master that is killed: Sentinels and Clusters put a replica in its place, and the site goes on."""

from __future__ import annotations

import os
import signal

import pytest
import redis

from sessionkeeper import keys, sessions, store_url
from sessionkeeper.stores import get_store
from tests.faults.conftest import heals, is_in, until
from tests.http.test_outage import assert_outage
from tools import valkey

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.faults.site")]


@pytest.fixture(scope="module")
def program():
    """The server's program."""
    found = valkey.programs()
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(valkey.MISSING)
    return found.get("valkey", found.get("redis"))


class Nodes:
    """Masters and replicas, found from outside."""

    def __init__(self, url):
        self.url = store_url.parse(url)

    def node(self, port):
        """A client of one node."""
        return redis.Redis(port=port, socket_timeout=5)

    def master_of(self, key):
        """Port of the node that has the session of a key."""
        if self.url.way == "sentinel":
            with redis.Redis(port=self.url.hosts[0][1]) as sentinel:
                return int(sentinel.sentinel_get_master_addr_by_name("main")[1])
        slot = self._any().execute_command(
            "CLUSTER", "KEYSLOT", "{" + keys.encode_id(keys.parse(key).id) + "}"
        )
        for start, end, master, *_ in self._any().execute_command("CLUSTER", "SLOTS"):
            if start <= slot <= end:
                return int(master[1])
        raise AssertionError("nobody has the slot")

    def _any(self):
        for _, port in self.url.hosts:
            try:
                node = self.node(port)
                node.ping()
            except redis.RedisError:
                continue
            return node
        raise AssertionError("no node answers")


def signalled(port, number):
    """Send a signal to the server at a port; return its process id."""
    pid = redis.Redis(port=port).info("server")["process_id"]
    os.kill(pid, number)
    return pid


def cut_replicas_off(nodes, port):
    """Let the replicas of a master hear nothing more of what it writes."""
    master = nodes.node(port)
    master.execute_command("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
    master.execute_command("CLIENT", "KILL", "TYPE", "REPLICA")
    until(lambda: master.info("replication")["connected_slaves"] == 0)


@pytest.fixture(params=["sentinel", "cluster"])
def nodes(request, program, settings):
    """Servers of the test's own, of which it may kill some."""
    start = valkey.private_sentinel if request.param == "sentinel" else valkey.private_cluster
    with start(program) as url:
        settings.SESSIONKEEPER = {"STORE": f"{url}?timeout=0.5&connect_timeout=0.5"}
        yield Nodes(url)
        get_store().client.close()


def caught_up(nodes, port):
    """Whether the replicas of a master have all that it wrote."""
    told = nodes.node(port).info("replication")
    return all(
        int(told[f"slave{number}"]["offset"]) == told["master_repl_offset"]
        for number in range(told["connected_slaves"])
    )


@pytest.mark.rule("L01")
def test_a_master_that_is_killed_signs_nobody_out(nodes, visitor):
    alice, bob = visitor(), visitor()
    assert alice.page("write", name="a", value="1").text == "written"
    master = nodes.master_of(alice.cookies["sessionid"].value)
    until(lambda: caught_up(nodes, master))
    signalled(master, signal.SIGKILL)
    assert_outage(alice.page("me"))
    until(lambda: nodes_agree(nodes, alice, master))
    heals(lambda: is_in(alice))
    heals(lambda: is_in(bob))
    assert alice.page("read").json() == {"a": "1"}
    assert alice.page("write", name="a", value="2").text == "written"
    assert [record.id for record in sessions.list_for(alice.user)] == [
        keys.parse(alice.cookies["sessionid"].value).id
    ]


def nodes_agree(nodes, visitor, old):
    """Whether another master is in place, and takes writes."""
    try:
        port = nodes.master_of(visitor.cookies["sessionid"].value)
        return port != old and nodes.node(port).info("replication")["role"] == "master"
    except redis.RedisError:
        return False


ENDS = {
    "signed out": lambda visitor: visitor.page("logout"),
    "ended from elsewhere": lambda visitor: sessions.revoke_all(visitor.user),
    "disabled": lambda visitor: disable(visitor.user),
}


def disable(user):
    """Disable a user."""
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()


@pytest.mark.rule("L06")
@pytest.mark.parametrize(
    ("nodes", "end"),
    [("sentinel", "signed out"), ("sentinel", "disabled"), ("cluster", "ended from elsewhere")],
    indirect=["nodes"],
)
def test_an_end_that_the_failover_lost_stays_an_end(nodes, visitor, end):
    alice = visitor()
    stolen = alice.cookies["sessionid"].value
    master = nodes.master_of(stolen)
    until(lambda: caught_up(nodes, master))
    cut_replicas_off(nodes, master)
    ENDS[end](alice)
    signalled(master, signal.SIGKILL)
    alice.cookies["sessionid"] = stolen
    until(lambda: nodes_agree(nodes, alice, master))
    heals(lambda: alice.page("me").status_code == 200)
    alice.cookies["sessionid"] = stolen
    assert alice.page("me").text == "you are None"
    alice.cookies["sessionid"] = stolen
    assert alice.page("read").json() == {}
    assert sessions.list_for(alice.user) == []
