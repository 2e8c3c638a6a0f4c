"""Draw the packages and what they import from each other; `python -m tools.architecture` writes it."""

from __future__ import annotations

import ast
from html import escape
from pathlib import Path

from tools.environment import ROOT

SOURCE = ROOT / "src" / "sessionkeeper"
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
#: From the top down, as import-linter holds them (`pyproject.toml`).
LAYERS = (
    ("apps", "management"),
    ("checks",),
    ("middleware", "api", "pages", "admin"),
    ("auth", "problem_index"),
    ("engine", "csrf"),
    ("audit",),
    ("stores", "http"),
    ("models",),
    ("conf",),
    ("core",),
)
WIDTH, ROW, BOX, GAP, TOP = 900, 86, 50, 24, 16
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2733}.n{font-weight:600}.s{font-size:11px;fill:#5b6b7a}"
    "rect{fill:#eef3f8;stroke:#9fb3c8}path{fill:none;stroke:#8aa0b5;stroke-width:1.1;opacity:.7}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.s{fill:#9fb0c0}rect{fill:#1d2835;stroke:#48607a}}"
)


def part_of(name: str) -> str:
    """The package, or the module of the root, that a dotted name of ours is in."""
    return name.removeprefix("sessionkeeper").lstrip(".").partition(".")[0]


def imported(path: Path) -> set[str]:
    """The dotted names of ours that a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("sessionkeeper.")}


def arrows() -> set[tuple[str, str]]:
    """Which part imports which, faces and migrations left out."""
    known = {part for layer in LAYERS for part in layer}
    found = set()
    for path in SOURCE.rglob("*.py"):
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        found |= {(part, part_of(name)) for name in imported(path)}
    return {(one, other) for one, other in found if one != other and {one, other} <= known}


def direct(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The arrows that do not follow from others: the picture stays readable."""
    below: dict[str, set[str]] = {}
    for layer in reversed(LAYERS):
        for part in layer:
            next_ones = {other for one, other in found if one == part}
            below[part] = next_ones.union(*(below[one] for one in next_ones))
    return {
        (one, other)
        for one, other in found
        if not any(other in below[between] for start, between in found if start == one)
    }


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
    for one, other in sorted(direct(arrows())):
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
    print(PICTURE.relative_to(ROOT))
