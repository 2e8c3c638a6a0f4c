"""One process that measures on one database: ``python -m benchmarks.growth.measure OPTIONS``, as JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import django


def main() -> None:
    """Measure, tell on stderr how far it is, and write the results to the file of the options."""
    options = json.loads(sys.argv[1])
    django.setup()

    from benchmarks import credentials, worker
    from benchmarks.growth.rows import Rows
    from sessionkeeper.core import keys

    worker.prepare()
    key = keys.parse(str(credentials.new_session().session_key))
    assert key is not None
    site = worker.Site("ours")
    Path(options["out"]).write_text(json.dumps(measured(site, Rows(key), options)))


def measured(site: Any, rows: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Measure by size; what does not depend on it at the size ``base``."""
    from benchmarks.growth import crowd
    from benchmarks.growth.operations import Measure

    measure = Measure(site, rows, options["times"])
    found: dict[str, Any] = {name: {} for name in ("sessions", "one user", "data", "connections", "purge")}
    for size in options["sizes"]:
        began = time.perf_counter()
        rows.fill(size)
        filled = time.perf_counter() - began
        found["sessions"][size] = measure.everything()
        if size == options["base"]:
            found["one user"] = {amount: measure.one_user(amount) for amount in options["of_one"]}
            found["data"] = {amount: measure.data(amount) for amount in options["data"]}
            found["connections"] = {
                amount: crowd.at_once(site, rows, amount, options["seconds"])
                for amount in options["connections"]
            }
        if expired := min(size, options["purge"]):
            found["purge"][size] = crowd.purge(site, rows, expired, options["seconds"])
        whole = time.perf_counter() - began
        print(
            f"{size} sessions: filled in {filled:.0f} s, measured after {whole:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return found


if __name__ == "__main__":
    main()
