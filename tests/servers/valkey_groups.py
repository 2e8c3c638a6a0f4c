"""Valkey in a Cluster, and behind Sentinel: private servers of both kinds for one run."""

from __future__ import annotations

import contextlib
import time

import redis

from tools.valkey import private_server

#: Lets a replica follow at once, without which there is nobody to fail over to.
PROMPT = ("--repl-diskless-sync-delay", "0")
PATIENCE = 20.0


def port_of(url):
    """Return the port in a URL."""
    return int(url.rpartition(":")[2].partition("/")[0])


@contextlib.contextmanager
def private_cluster(program, masters=3):
    """Start a Cluster of masters with a replica each, give its URL, stop it."""
    with contextlib.ExitStack() as stack:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", *PROMPT)
        urls = [stack.enter_context(private_server(program, *options, bus=True)) for _ in range(2 * masters)]
        ports = [port_of(url) for url in urls]
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        buses = [int(node.config_get("cluster-port")["cluster-port"]) for node in nodes]
        bounds = [16384 * number // masters for number in range(masters + 1)]
        for number in range(masters):
            slots = (bounds[number], bounds[number + 1] - 1)
            nodes[number].execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port, bus in zip(ports[1:], buses[1:], strict=True):
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        until(lambda: all(len(node.cluster("NODES")) == len(nodes) for node in nodes), "the Cluster has met")
        for number in range(masters):
            name = nodes[number].execute_command("CLUSTER", "MYID")
            nodes[masters + number].execute_command("CLUSTER", "REPLICATE", name)
        until(
            lambda: all(
                node.cluster("INFO")["cluster_state"] == "ok"
                and (at < masters or node.info("replication").get("master_link_status") == "up")
                for at, node in enumerate(nodes)
            ),
            "the Cluster is whole",
        )
        yield "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)


@contextlib.contextmanager
def private_sentinel(program, down_after=500):
    """Start a master, a replica and three Sentinels that watch them, give their URL, stop them.

    ``down_after`` is how many milliseconds a server may be silent.
    """
    with contextlib.ExitStack() as stack:
        port = port_of(stack.enter_context(private_server(program, *PROMPT)))
        replica = stack.enter_context(private_server(program, *PROMPT, "--replicaof", f"127.0.0.1 {port}"))
        with redis.Redis.from_url(replica) as client:
            until(lambda: client.info("replication")["master_link_status"] == "up", "the replica follows")
        config = (
            "bind 127.0.0.1",
            f"sentinel monitor main 127.0.0.1 {port} 2",
            f"sentinel down-after-milliseconds main {down_after}",
            "sentinel failover-timeout main 3000",
        )
        watchers = [stack.enter_context(private_server(program, *config, sentinel=True)) for _ in range(3)]
        yield "redis+sentinel://" + ",".join(f"127.0.0.1:{port_of(url)}" for url in watchers) + "/main/0"


def until(condition, says):
    """Wait until something holds; fail when it does not, in time."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"Waited in vain until {says}."
        time.sleep(0.02)
