"""Draw who asks whom, for docs/how-it-works.md; `python -m tests.pages.sequences` writes the pictures."""

from __future__ import annotations

import tomllib
from html import escape
from pathlib import Path
from typing import Any

from tools.environment import ROOT

IMAGES = ROOT / "docs" / "images"
SOURCE = Path(__file__).with_name("sequences.toml")
COLUMN, LEFT, STEP, TOP, NOTE = 210, 110, 46, 66, 24
STYLE = (
    ".b{fill:#fbfcfd;stroke:#d4dde6}text{font:13px system-ui,sans-serif;fill:#1c2733}.w{font-weight:600}"
    ".h{fill:#e3edf7;stroke:#9fb3c8}.l{stroke:#b4c3d1;stroke-dasharray:3 4}"
    ".a{stroke:#47617a;stroke-width:1.4}"
    ".t{fill:#47617a}.n{fill:#fff4d6;stroke:#e0c67a}"
    "@media(prefers-color-scheme:dark){.b{fill:#131a22;stroke:#33465a}text{fill:#e6edf3}"
    ".h{fill:#1d2d3e;stroke:#48607a}.l{stroke:#48607a}.a{stroke:#8fb0cf}.t{fill:#8fb0cf}"
    ".n{fill:#3a3216;stroke:#7d6a2a}}"
)


def pictures() -> dict[str, dict[str, Any]]:
    """What is drawn: for each picture its title, who takes part, and the steps."""
    return tomllib.loads(SOURCE.read_text())


def arrow(start: int, end: int, y: int, text: str) -> list[str]:
    """A message from one to another."""
    tip = 8 if end > start else -8
    return [
        f'<line class="a" x1="{start}" y1="{y}" x2="{end - tip}" y2="{y}"/>',
        f'<path class="t" d="M{end} {y}l{-tip} -4v8z"/>',
        f'<text x="{(start + end) // 2}" y="{y - 7}" text-anchor="middle">{escape(text)}</text>',
    ]


def note(at: int, y: int, text: str, width: int) -> list[str]:
    """What one does by itself; kept within the picture."""
    size = 7 * len(text) + 20
    left = min(max(at - size // 2, 8), width - size - 8)
    return [
        f'<rect class="n" x="{left}" y="{y - NOTE // 2 - 6}" width="{size}" height="{NOTE}" rx="4"/>',
        f'<text x="{left + size // 2}" y="{y - 1}" text-anchor="middle">{escape(text)}</text>',
    ]


def drawing(picture: dict[str, Any]) -> str:
    """One picture as SVG."""
    who = picture["who"]
    places = {name: LEFT + number * COLUMN for number, name in enumerate(who)}
    width, height = LEFT * 2 + COLUMN * (len(who) - 1), TOP + STEP * len(picture["steps"]) + 16
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(picture["title"])}"><style>{STYLE}</style>'
    )
    parts = [
        head,
        f'<rect class="b" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="8"/>',
    ]
    for name, x in places.items():
        parts += [
            f'<line class="l" x1="{x}" y1="44" x2="{x}" y2="{height - 12}"/>',
            f'<rect class="h" x="{x - 76}" y="14" width="152" height="30" rx="6"/>',
            f'<text class="w" x="{x}" y="34" text-anchor="middle">{escape(name)}</text>',
        ]
    for number, step in enumerate(picture["steps"]):
        y = TOP + STEP * number + 24
        if len(step) == 2:
            parts += note(places[step[0]], y, step[1], width)
        else:
            parts += arrow(places[step[0]], places[step[1]], y, step[2])
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    for name, picture in pictures().items():
        (IMAGES / f"{name}.svg").write_text(drawing(picture), encoding="utf-8")
