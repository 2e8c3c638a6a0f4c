"""A master that is killed: Sentinels and Clusters put a replica in its place, and the site goes on."""

from __future__ import annotations

import os
import signal

import pytest
import redis

from sessionkeeper.conf import redis_url
from sessionkeeper.core import keys
from sessionkeeper.engine import registry
from sessionkeeper.stores.factory import get_store
from tests.faults.conftest import heals, is_in, until
from tests.http.outage_site import assert_outage
from tests.servers import valkey_groups
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
        self.url = redis_url.parse(url)

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
    start = valkey_groups.private_sentinel if request.param == "sentinel" else valkey_groups.private_cluster
    with start(program) as url:
        settings.SESSIONKEEPER = {"STORE": f"{url}?timeout=0.5&connect_timeout=0.5"}
        yield Nodes(url)
        get_store().store.client.close()


def caught_up(nodes, port):
    """Whether the replicas of a master have all that it wrote."""
    told = nodes.node(port).info("replication")
    return all(
        int(told[f"slave{number}"]["offset"]) == told["master_repl_offset"]
        for number in range(told["connected_slaves"])
    )


def nodes_agree(nodes, key, old):
    """Whether another master is in place, and takes writes."""
    try:
        port = nodes.master_of(key)
        return port != old and nodes.node(port).info("replication")["role"] == "master"
    except redis.RedisError:
        return False


ENDS = {
    "signed out": lambda visitor: visitor.page("logout"),
    "ended from elsewhere": lambda visitor: registry.revoke_all(visitor.user),
}


@pytest.mark.rule("L01", "L06")
@pytest.mark.parametrize(
    ("nodes", "end"), [("sentinel", "signed out"), ("cluster", "ended from elsewhere")], indirect=["nodes"]
)
def test_a_master_that_is_killed_signs_nobody_out_and_an_end_that_it_took_along_stays_an_end(
    nodes, visitor, end
):
    alice, bob = visitor(), visitor()
    assert bob.page("write", name="a", value="1").text == "written"
    ended, lives = (keys.parse(one.cookies["sessionid"].value) for one in (alice, bob))
    master = nodes.master_of(ended.text)
    until(lambda: caught_up(nodes, master))
    until(lambda: caught_up(nodes, nodes.master_of(lives.text)))
    cut_replicas_off(nodes, master)
    ENDS[end](alice)
    signalled(master, signal.SIGKILL)
    alice.cookies["sessionid"] = ended.text
    assert_outage(alice.page("me"))
    until(lambda: nodes_agree(nodes, ended.text, master))
    heals(lambda: alice.page("me").status_code == 200)
    alice.cookies["sessionid"] = ended.text
    assert alice.page("me").text == "you are None"
    assert registry.list_for(alice.user) == []
    heals(lambda: is_in(bob))
    assert bob.page("read").json() == {"a": "1"}
    assert bob.page("write", name="a", value="2").text == "written"
    assert [record.id for record in registry.list_for(bob.user)] == [lives.id]
