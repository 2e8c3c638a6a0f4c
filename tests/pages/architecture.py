"""Draw the packages and what they import from each other; `python -m tests.pages.architecture` writes it."""

from __future__ import annotations

import re
import tomllib
from html import escape

import grimp

from tools.environment import ROOT

SOURCE = ROOT / "src" / "sessionkeeper"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
#: What is left out: the faces, which hold no code.
FACES = {"backends", "decorators", "errors", "flows", "sessions", "signals", "migrations"}
_CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
_NAMES = [[name for name in re.findall(r"\w+", layer) if name not in FACES] for layer in _CONTRACT["layers"]]
#: From the top down, as import-linter holds them.
LAYERS = [layer for layer in _NAMES if layer]
WIDTH, ROW, BOX, GAP, TOP = 900, 86, 50, 24, 16
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2733}.n{font-weight:600}.s{font-size:11px;fill:#5b6b7a}"
    "rect{fill:#eef3f8;stroke:#9fb3c8}path{fill:none;stroke:#8aa0b5;stroke-width:1.1;opacity:.7}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9fb0c0}rect{fill:#1d2835;stroke:#48607a}}"
)


def arrows() -> list[tuple[str, str]]:
    """Which part imports which. What follows from other arrows is left out: the picture stays readable."""
    graph = grimp.build_graph("sessionkeeper")
    parts = {f"sessionkeeper.{part}" for layer in LAYERS for part in layer}
    for child in graph.find_children("sessionkeeper"):
        graph.squash_module(child)
    for face in FACES:
        graph.remove_module(f"sessionkeeper.{face}")
    imported = {part: (parts & graph.find_modules_directly_imported_by(part)) - {part} for part in parts}
    above = {part: graph.find_downstream_modules(part) - {part} for part in parts}
    return sorted(
        (part.rpartition(".")[2], other.rpartition(".")[2])
        for part in parts
        for other in imported[part]
        if not imported[part] & above[other]
    )


def modules_in(part: str) -> str:
    """How many modules a part has, in words."""
    files = [path for path in (SOURCE / part).rglob("*.py") if path.name != "__init__.py"]
    return f"{len(files)} modules" if files else "1 module"


def places() -> dict[str, tuple[float, float, float]]:
    """Left edge, top edge and width of each part's box."""
    found: dict[str, tuple[float, float, float]] = {}
    for row, layer in enumerate(LAYERS):
        width = min(190.0, (WIDTH - GAP * (len(layer) + 1)) / len(layer))
        left = (WIDTH - len(layer) * width - (len(layer) - 1) * GAP) / 2
        for column, part in enumerate(layer):
            found[part] = (left + column * (width + GAP), TOP + row * ROW, width)
    return found


def drawing() -> str:
    """The picture as SVG; the same text for the same imports."""
    boxes, lines = places(), []
    for one, other in arrows():
        (left, top, width), (to_left, to_top, to_width) = boxes[one], boxes[other]
        start, end = left + width / 2, to_left + to_width / 2
        begin, stop = top + BOX, to_top
        middle = (begin + stop) / 2
        bend = f"C{start:.0f} {middle:.0f} {end:.0f} {middle:.0f} {end:.0f} {stop}"
        lines.append(f'<path d="M{start:.0f} {begin}{bend}"/>')
    for part, (left, top, width) in boxes.items():
        middle = left + width / 2
        lines += [
            f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" height="{BOX}" rx="6"/>',
            f'<text class="n" x="{middle:.0f}" y="{top + 21}" text-anchor="middle">{escape(part)}</text>',
            f'<text class="s" x="{middle:.0f}" y="{top + 38}" text-anchor="middle">{modules_in(part)}</text>',
        ]
    height = TOP * 2 + ROW * len(LAYERS) - (ROW - BOX)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The packages of sessionkeeper; imports point down"><style>{STYLE}</style>'
    )
    return "\n".join([head, *lines, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawing(), encoding="utf-8")
