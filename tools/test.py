"""Run the suite in stages against the built wheels, two at a time; the last line counts everything.

While stages run side by side, each says how far it is, and a failure when it happens (`tools/progress.py`).
What pytest prints about a stage follows as the stage ends.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.upstream import source
from tools import inventory, postgres, progress, servers, tally, valkey, wheel
from tools.environment import ROOT

NO_TESTS = 5  # pytest's exit code


@dataclass(frozen=True)
class Stage:
    """One pytest run, as `tests/stages.toml` describes it."""

    name: str
    says: str
    arguments: str
    settings: str = "tests.settings"
    shares: Sequence[str] = ()
    with_upstream: bool = False
    makes_databases: bool = False
    slow: bool = False


_TABLES = tomllib.loads((ROOT / "tests" / "stages.toml").read_text())
STAGES = {name: Stage(name, **table) for name, table in _TABLES.items()}
#: Given 1, another descriptor of the terminal, for stages whose output goes to a file.
terminal = cache(os.dup)

#: The servers that stages share, and the variable that names each to them.
SHARED = {"postgres": (postgres.server, "DATABASE_URL"), "valkey": (valkey.server, valkey.VARIABLE)}


def stage_environment(stage: Stage, base: dict[str, str], url_of: Callable[[str], str]) -> dict[str, str]:
    """The environment variables of one stage."""
    env = {key: value for key, value in base.items() if key != "DATABASE_URL"}
    env["DJANGO_SETTINGS_MODULE"] = stage.settings
    env |= {SHARED[name][1]: url_of(name) for name in stage.shares}
    if stage.makes_databases and postgres.is_postgres(base.get("DATABASE_URL", "")):
        env[postgres.VARIABLE] = base["DATABASE_URL"]
    if stage.with_upstream:
        env["DJANGO_UPSTREAM_TESTS"] = str(source.tests_folder())
    return env


def run_stage(stage: Stage, env: dict[str, str], extra: list[str], output: IO[str] | None) -> tally.Tally:
    """Run pytest for one stage and read what it counted. ``output`` None: on screen as it comes."""
    with tempfile.TemporaryDirectory() as name:
        report, cache = Path(name) / "report.xml", ROOT / ".cache" / "pytest" / stage.name
        command = [sys.executable, "-m", "pytest", "-q", *shlex.split(stage.arguments)]
        command += [f"--junitxml={report}", "-o", f"cache_dir={cache}", *extra]
        streams: dict[str, Any] = {}
        if output:
            command += ["-p", "tools.progress"]
            env = {**env, progress.STAGE: stage.name, progress.TERMINAL: str(terminal(1))}
            streams = {"stdout": output, "stderr": subprocess.STDOUT, "pass_fds": [terminal(1)]}
        done = subprocess.run(command, cwd=ROOT, env=env, check=False, **streams)
        is_empty = done.returncode == NO_TESTS and extra  # a selection may leave a stage empty
        return tally.read_report(report, 0 if is_empty else done.returncode)


def run_stages(
    stages: Sequence[Stage], base: dict[str, str], extra: list[str], jobs: int
) -> dict[str, tally.Tally | str]:
    """Run as many side by side as there are ``jobs``, never two that share a server.

    What they print comes stage by stage. A stage that cannot run gives a sentence instead of a count.
    """
    turn, locks = threading.Lock(), {name: threading.Lock() for name in SHARED}

    def run(stage: Stage) -> tally.Tally | str:
        with contextlib.ExitStack() as mine, tempfile.TemporaryFile("w+", errors="replace") as file:
            for name in sorted(stage.shares):
                mine.enter_context(locks[name])
            try:
                with turn:  # servers are started one after the other
                    print(f"[{stage.name}] starts: {stage.says}", flush=True)
                    env = stage_environment(stage, base, url_of)
                outcome: tally.Tally | str = run_stage(stage, env, extra, file if jobs > 1 else None)
            except servers.Unavailable as error:
                outcome = f"NOT RUN. {error}"
            file.seek(0)
            with turn:
                print(f"\n=== {stage.name}: {stage.says}\n{file.read() or outcome}", flush=True)
            return outcome

    with contextlib.ExitStack() as stack:
        url_of = cache(lambda name: stack.enter_context(SHARED[name][0]()))  # stopped with the run
        with ThreadPoolExecutor(jobs) as pool:
            return dict(zip([stage.name for stage in stages], pool.map(run, stages), strict=True))


def summarise(results: dict[str, tally.Tally | str]) -> int:
    """Print the table and the closing line; the exit code."""
    total = tally.Tally()
    print("\n=== summary")
    for name, outcome in results.items():
        print(f"{name:<22} {outcome}")
        if isinstance(outcome, tally.Tally):
            total += outcome
        elif os.environ.get("CI"):
            total += tally.Tally(failed=1)
    return tally.finish(total)


def main() -> int:
    """Build, run, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--installed", action="store_true", help="the wheels are in this environment already")
    parser.add_argument("--all", action="store_true", help="run the slow stages too")
    parser.add_argument("stages", nargs="*", help=f"of {', '.join(STAGES)}")
    options = parser.parse_args()
    names = options.stages or os.environ.get("STAGES", "").split()
    names = names or [stage.name for stage in STAGES.values() if options.all or not stage.slow]
    if unknown := {*names} - {*STAGES}:
        parser.error(f"no such stage: {', '.join(sorted(unknown))}")
    servers.stop_on_terminate()
    print("=== on this machine", *inventory.lines(), sep="\n", flush=True)
    with contextlib.ExitStack() as stack:
        env = dict(os.environ)
        if not options.installed:
            print("=== building the wheels, which the tests run against", flush=True)
            env["PYTHONPATH"] = str(stack.enter_context(wheel.installed()))
        wheel.require_outside_source(env)
        jobs = int(os.environ.get("JOBS") or min(os.cpu_count() or 1, 2, len(names)))
        stages = [stage for stage in STAGES.values() if stage.name in names]
        results = run_stages(stages, env, shlex.split(os.environ.get("ARGS", "")), jobs)
    return summarise(results)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
