"""The benchmark runs; nothing is said about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report, servers
from benchmarks.__main__ import main
from benchmarks.driver import over_floor

VALKEY = ["ours-valkey", "ours-valkey-principal"]


def test_one_round_measures_stock_and_ours_and_writes_json(tmp_path, capsys):
    sizes = ["--rounds", "1", "--requests", "1", "--writes", "1", "--logins", "1"]
    wanted = ["--databases", "sqlite", "--only", "ours", *VALKEY, "simplejwt-stateless"]
    assert main([*sizes, *wanted, "--large", "--rows", "20", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())["results"]["sqlite"]
    queries = {name: row["queries"] for name, row in found["requests"].items()}
    stock = {"floor": 0, "stock-db": 2, "simplejwt-stateless": 0}
    assert queries == {**stock, "ours": 1, "ours-valkey": 1, "ours-valkey-principal": 0}
    assert [found["requests"][name]["commands"] for name in VALKEY] == [1, 1]
    assert found["writes"]["ours-valkey"]["survive"] == 8
    assert found["writes"]["ours"]["survive"] == found["writes"]["ours"]["written"] == 8
    assert (found["purge"]["ours"]["rows"], found["purge"]["ours"]["left"]) == (20, 10)
    assert "sessionkeeper" in capsys.readouterr().out


def test_costs_are_differences_within_a_round_and_shares_are_of_stock():
    def rounds(*walls):
        return {"queries": 1, "wall": list(walls), "cpu": list(walls)}

    slow = 1000
    found = over_floor(
        {"f": rounds(10, 10, slow), "s": rounds(110, 110, slow + 100), "o": rounds(30, 30, slow + 20)},
        "f",
        "s",
    )
    assert found["o"]["wall_us"] == 20
    assert found["o"]["wall_share"] == pytest.approx(0.2)


def test_a_table_has_columns_of_one_width():
    lines = list(report.table(("name", "µs"), [("one", "1"), ("another", "1000")]))
    assert len({len(line) for line in lines}) == 1


WRK = """Running 1s test @ http://127.0.0.1:41805/sign-in/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   561.08ms  300.59ms   1.05s    60.00%
    Req/Sec     9.33      3.35    17.00     77.78%
  Latency Distribution
     50%  611.97ms
     75%  759.48ms
     90%    1.05s\x20
     99%    1.05s\x20
  10 requests in 1.08s, 5.19KB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:      9.24
Transfer/sec:      4.79KB
"""


def test_what_wrk_prints_is_read():
    assert servers.read(WRK) == servers.Measured(rate=9.24, p50=611.97, p99=1050.0, failed=7)
    with pytest.raises(ValueError, match="unable to connect"):
        servers.read("unable to connect")


def test_without_wrk_a_sentence_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(servers.shutil, "which", lambda name: None)
    assert servers.main([]) == 1
    assert "apt-get install wrk" in capsys.readouterr().out


@pytest.mark.postgres
@pytest.mark.parametrize("channel", ["postgresql", "valkey"])
def test_revocation_is_timed_between_two_processes(tmp_path, channel):
    """In a process of its own, because it sets Django up for itself."""
    said = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.revocation",
            "--channel",
            channel,
            "--trials",
            "1",
            "--cuts",
            "0",
            "--out",
            tmp_path / "x.json",
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    measured = json.loads((tmp_path / "x.json").read_text())["ms"]
    assert measured.keys() == {"idle", "busy", "busy threads"}
    assert all(name in said for name in measured)
