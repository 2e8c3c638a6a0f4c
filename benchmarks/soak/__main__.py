"""Soak a site: ``make soak ARGS="--seconds 60 --store valkey"``. Exits with 1 if anything is wrong."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks.soak.faults import Faults
from benchmarks.soak.model import Model
from benchmarks.soak.people import PASSWORD, Person
from benchmarks.soak.report import Report
from benchmarks.soak.server import environment, prepare, serving
from tools import breakable, servers
from tools.environment import ROOT

LOG = ROOT / "benchmarks" / "out" / "soak.log"
#: Seconds for which the near cache may let an ended session in when its channel is cut, and a beat.
NEAR_BOUND = 1.0
USERS = 6
CLIENTS = 2  # of each user
STORES = {
    "postgres": (),
    "valkey": breakable.PERSISTED,
    "redis": breakable.PERSISTED,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (60)")
    parser.add_argument(
        "--store", choices=STORES, default="postgres", help="what the sessions are in (postgres)"
    )
    parser.add_argument(
        "--server", choices=["gunicorn", "granian", "granian-asgi"], default="gunicorn", help="(gunicorn)"
    )
    parser.add_argument("--near", action="store_true", help="with the near cache")
    options = parser.parse_args()
    servers.stop_on_terminate()
    LOG.parent.mkdir(exist_ok=True)
    report, stop = Report(), threading.Event()
    try:
        with ExitStack() as stack:
            _soak(stack, options, report, stop)
    except servers.Unavailable as error:
        sys.exit(str(error))
    near = ", near cache" if options.near else ""
    print(f"{options.store}{near}, {options.server}, {options.seconds:g} s")
    print("\n".join(report.lines()))
    print("\n".join(report.details()), file=sys.stderr)
    (LOG.parent / f"soak-{options.store}.json").write_text(
        json.dumps({"lines": report.lines()}, indent=1) + "\n"
    )
    return 0 if report.is_good else 1


def _soak(stack: ExitStack, options: argparse.Namespace, report: Report, stop: threading.Event) -> None:
    store = stack.enter_context(breakable.running(options.store, *STORES[options.store]))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sessionkeeper-soak-")))
    if options.store == "postgres":
        env = environment(store.url, "", near=options.near)
    else:
        env = environment(f"sqlite:///{folder / 'db.sqlite3'}", store.url, near=options.near)
    prepare(env, USERS, PASSWORD)
    server = stack.enter_context(serving(options.server, env, LOG))
    people = [
        Person(model, number, server.port, report, stop, staleness=NEAR_BOUND if options.near else 0)
        for model in (Model(f"person{number}") for number in range(USERS))
        for number in range(CLIENTS)
    ]
    faults = Faults(server, store, report, stop)
    for thread in (*people, faults):
        thread.start()
    time.sleep(options.seconds)
    stop.set()
    for thread in (faults, *people):
        thread.join(30)


if __name__ == "__main__":
    sys.exit(main())
