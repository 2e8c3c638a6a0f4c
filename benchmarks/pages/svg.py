"""A small SVG writer: bars and lines, readable on light and dark pages, with the numbers as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

WIDTH = 900
_LEFT, _RIGHT, _TOP, _ROW = 300, 70, 48, 28
# The background is part of the picture: the page around it may have other colours than the system.
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2733}.t{font-weight:600;font-size:15px}"
    ".s{font-size:11px;fill:#5b6b7a}.b{fill:#fff}.g{stroke:#d5dee7}.theirs{fill:#9fb3c8}.ours{fill:#1f6feb}"
    "path{fill:none;stroke-width:2}.c0{stroke:#1f6feb;fill:#1f6feb}.c1{stroke:#b3541e;fill:#b3541e}"
    ".c2{stroke:#1a7f37;fill:#1a7f37}.c3{stroke:#8250df;fill:#8250df}.c4{stroke:#bf3989;fill:#bf3989}"
    ".c5{stroke:#57606a;fill:#57606a}path.l{fill:none}text.l{stroke:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9fb0c0}.b{fill:#151c24}.g{stroke:#2c3947}"
    ".theirs{fill:#5b7188}.ours{fill:#58a6ff}.c0{stroke:#58a6ff;fill:#58a6ff}.c1{stroke:#f0883e;fill:#f0883e}"
    ".c2{stroke:#56d364;fill:#56d364}.c3{stroke:#bc8cff;fill:#bc8cff}.c4{stroke:#ff7bc0;fill:#ff7bc0}"
    ".c5{stroke:#a0abb6;fill:#a0abb6}}"
)
_DASHES = ("", "7 3", "2 3", "10 3 2 3", "4 4", "1 3")


class Bar(NamedTuple):
    """A bar: its name, its value, what is written beside it, and whether it is one of ours."""

    name: str
    value: float
    says: str
    is_ours: bool


def bars(title: str, rows: Sequence[Bar]) -> str:
    """Draw horizontal bars from zero."""
    most = max(row.value for row in rows) or 1
    room, height = WIDTH - _LEFT - 175, _TOP + _ROW * len(rows) + 16
    body = []
    for number, row in enumerate(rows):
        top = _TOP + number * _ROW
        length = max(row.value / most * room, 1)
        kind = "ours" if row.is_ours else "theirs"
        body += [
            f'<text x="{_LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(row.name)}</text>',
            f'<rect class="{kind}" x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_ROW - 8}" rx="2"/>',
            f'<text x="{_LEFT + length + 8:.1f}" y="{top + 15}">{escape(row.says)}</text>',
        ]
    return _picture(title, "; ".join(f"{row.name}: {row.says}" for row in rows), height, body)


def lines(title: str, xs: Sequence[float], series: dict[str, Sequence[float]], axis: str, unit: str) -> str:
    """Draw lines on two logarithmic scales, each with its name at its end."""
    height, left, right, bottom = 430, 80, WIDTH - 170, 370
    values = [value for row in series.values() for value in row]
    low, high = math.floor(math.log10(max(min(values), 1))), math.ceil(math.log10(max(values)))
    first, last = math.log10(xs[0]), math.log10(xs[-1])

    def across(x: float) -> float:
        return left + (math.log10(x) - first) / ((last - first) or 1) * (right - left)

    def down(y: float) -> float:
        share = (math.log10(max(y, 10**low)) - low) / ((high - low) or 1)
        return bottom - share * (bottom - _TOP)

    body = []
    for power in range(low, high + 1):
        at = down(10**power)
        body.append(f'<line class="g" x1="{left}" y1="{at:.1f}" x2="{right}" y2="{at:.1f}"/>')
        body.append(
            f'<text class="s" x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{10**power:,} {unit}</text>'
        )
    body += [
        f'<text class="s" x="{across(x):.1f}" y="{bottom + 20}" text-anchor="middle">{x:,.0f}</text>'
        for x in xs
    ]
    middle = (left + right) / 2
    body.append(f'<text x="{middle:.0f}" y="{bottom + 44}" text-anchor="middle">{escape(axis)}</text>')
    places = _apart([down(row[-1]) for row in series.values()])
    for number, ((name, row), place) in enumerate(zip(series.items(), places, strict=True)):
        points = [f"{across(x):.1f} {down(y):.1f}" for x, y in zip(xs, row, strict=True)]
        body.append(
            f'<path class="c{number} l" stroke-dasharray="{_DASHES[number]}" d="M{"L".join(points)}"/>'
        )
        body += [
            f'<circle class="c{number}" cx="{point.split()[0]}" cy="{point.split()[1]}" r="3"/>'
            for point in points
        ]
        says = f"{name}: {row[-1]:,.0f} {unit}"
        body.append(f'<text class="c{number} l" x="{right + 10}" y="{place + 4:.1f}">{escape(says)}</text>')
    return _picture(title, "; ".join(_said(xs, series, unit)), height, body)


def _said(xs: Sequence[float], series: dict[str, Sequence[float]], unit: str) -> Iterator[str]:
    for name, row in series.items():
        yield f"{name}: " + ", ".join(f"{y:,.0f} {unit} at {x:,.0f}" for x, y in zip(xs, row, strict=True))


def _apart(places: list[float], gap: float = 17) -> list[float]:
    """Move labels so that none covers another."""
    found, last = [0.0] * len(places), -math.inf
    for number in sorted(range(len(places)), key=places.__getitem__):
        last = found[number] = max(places[number], last + gap)
    return found


def _picture(title: str, says: str, height: int, body: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="title desc"><title id="title">{escape(title)}</title>'
        f'<desc id="desc">{escape(says)}</desc><style>{_STYLE}</style>'
    )
    ground = f'<rect class="b" width="{WIDTH}" height="{height}" rx="8"/>'
    name = f'<text class="t" x="24" y="28">{escape(title)}</text>'
    return "\n".join([head, ground, name, *body, "</svg>"]) + "\n"
