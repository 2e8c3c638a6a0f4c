"""The benchmark runs; nothing is said about speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report, servers, worker
from benchmarks.__main__ import main
from benchmarks.driver import over_floor
from benchmarks.growth import __main__ as growth
from benchmarks.pages import __main__ as pages
from benchmarks.pages import plots, reaches, svg, tables

VALKEY = ["ours-valkey", "ours-valkey-principal"]


def test_one_round_measures_stock_and_ours_and_writes_json(tmp_path, capsys):
    sizes = ["--rounds", "1", "--requests", "1", "--writes", "1", "--logins", "1", "--write-rounds", "1"]
    wanted = ["--databases", "sqlite", "--only", "ours", *VALKEY, "simplejwt-stateless"]
    assert main([*sizes, *wanted, "ours-bare", "--rows", "20", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*.json")
    found = json.loads(path.read_text())["results"]["sqlite"]
    queries = {name: row["queries"] for name, row in found["requests"].items()}
    stock = {"floor": 0, "stock-db": 2, "simplejwt-stateless": 0}
    assert queries == {**stock, "ours": 1, "ours-valkey": 1, "ours-valkey-principal": 0}
    assert [found["requests"][name]["commands"] for name in VALKEY] == [1, 1]
    for table, written in (("saves", 8), ("saves_alone", 4)):
        for name in ("ours", "ours-valkey"):
            assert found[table][name]["survive"] == found[table][name]["written"] == written
        assert found[table]["stock-db"]["share"] in {0, 1}  # a write may take less time than a read, once
    assert found["logins"]["ours"]["queries"] > found["logins"]["ours-bare"]["queries"] > 0
    assert found["logins"]["stock-db"]["commits"] > 0
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


def test_commits_are_transactions_and_writes_outside_of_one():
    sent = [
        "SELECT 1",
        "UPDATE a",
        "BEGIN",
        "UPDATE b",
        "SAVEPOINT s",
        "INSERT c",
        "ROLLBACK TO SAVEPOINT s",
        "COMMIT",
    ]
    assert worker._statements([*sent, "INSERT d"]) == {"queries": 5, "commits": 3}


def test_growth_is_measured_with_rows_that_the_database_writes(tmp_path, capsys):
    sizes = ["--rows", "2000", "--of-one", "3", "--data", "200", "--connections", "2", "--purge", "100"]
    short = ["--times", "8", "--seconds", "0.1", "--out", str(tmp_path)]
    assert growth.main(["--databases", "sqlite", *sizes, *short]) == 0
    (path,) = tmp_path.glob("growth-*.json")
    found = json.loads(path.read_text())["results"]["sqlite"]
    assert list(found["sessions"]) == ["1000", "2000"]
    names = ["read", "save", "sign-in", "list 50", "end one", "end all"]
    assert all(list(row) == names for row in (*found["sessions"].values(), *found["one user"].values()))
    assert list(found["data"]) == ["100", "200"]
    assert [row["removed"] for row in found["purge"].values()] == [100, 100]
    assert all(
        row["beside"][who]["max"] > 0 for row in found["purge"].values() for who in ("reader", "writer")
    )
    assert list(found["connections"]["2"]) == ["read", "save", "sign-in"]
    assert "sessions in the table" in capsys.readouterr().out


def test_the_plots_are_those_of_the_committed_results():
    drawn = dict(plots.drawings(pages.load()))
    assert drawn
    for name, text in drawn.items():
        assert (pages.IMAGES / name).read_text(encoding="utf-8") == text, f"{name}: run make bench-docs"


def test_the_page_shows_the_committed_results_and_each_plot():
    text = pages.PAGE.read_text(encoding="utf-8")
    assert tables.render(text, pages.load()) == text, "run make bench-docs"
    assert all(f"](images/{name})" in text for name, _ in plots.drawings(pages.load()))
    assert all(f"<!-- results: {name} -->" in text for name in tables.PARTS)


def test_each_aim_is_reached_or_missed():
    results = pages.load()
    held = [list(tables.PARTS[name](results)) for name in ("reached", "missed")]
    rows = sum(max(len(lines) - 2, 0) for lines in held)
    assert rows == len(reaches.REACHES)


def test_the_newest_results_are_taken_without_single_rounds(tmp_path):
    for day, number in ((1, 1.0), (2, 0.123456789)):
        found = {"results": {"sqlite": {"requests": {"ours": number}, "rounds": [1] * 50}}}
        (tmp_path / f"2026010{day}-000000.json").write_text(json.dumps(found))
    (into := tmp_path / "results").mkdir()
    assert [path.name for path in pages.take(tmp_path, into)] == ["20260102-000000.json"]
    taken = json.loads((into / "requests.json").read_text())
    assert taken == {"results": {"sqlite": {"requests": {"ours": 0.12346}}}}


def test_a_plot_is_xml_with_its_numbers_as_text():
    picture = svg.lines("A & B", [10, 100], {"one": [1, 20], "two": [1, 21]}, "rows", "µs")
    root = ET.fromstring(picture)
    described = root.find("{http://www.w3.org/2000/svg}desc")
    assert described.text == "one: 1 µs at 10, 20 µs at 100; two: 1 µs at 10, 21 µs at 100"
    assert "prefers-color-scheme:dark" in picture
    bars = ET.fromstring(svg.bars("Bars", [svg.Bar("<a>", 0, "0 µs", is_ours=True)]))
    assert bars.get("role") == "img"


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
