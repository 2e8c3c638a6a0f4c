"""Shows changes as a unified diff in which each hunk says its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sessionkeeper.management.init.sources import Edit, apply

#: The bytes of a hunk: where it begins and ends in the old file, and the edits in it.
Hunk = tuple[int, int, list[Edit]]


def lines(name: str, data: bytes, edits: Sequence[Edit]) -> Iterator[str]:
    """Yield the lines of the diff of one file."""
    yield f"--- {name}"
    yield f"+++ {name}"
    moved = 0
    for start, end, inside in _hunks(data, edits):
        shifted = [Edit(one.path, one.start - start, one.end - start, one.new, one.reason) for one in inside]
        old = data[start:end].decode().splitlines()
        new = apply(data[start:end], shifted).decode().splitlines()
        first = data[:start].count(b"\n") + 1
        reasons = "; ".join(dict.fromkeys(one.reason for one in inside))
        yield f"@@ -{_place(first, old)} +{_place(first + moved, new)} @@ {reasons}"
        yield from _changes(old, new)
        moved += len(new) - len(old)


def _place(first: int, text: list[str]) -> str:
    return f"{first if text else first - 1},{len(text)}"


def _changes(old: list[str], new: list[str]) -> Iterator[str]:
    """Yield the lines of a hunk. What both begin or end with is context."""
    before = next(
        (n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new))
    )
    most = min(len(old), len(new)) - before
    after = next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)
    yield from (f" {line}" for line in old[:before])
    yield from (f"-{line}" for line in old[before : len(old) - after])
    yield from (f"+{line}" for line in new[before : len(new) - after])
    yield from (f" {line}" for line in old[len(old) - after :])


def _hunks(data: bytes, edits: Sequence[Edit]) -> Iterator[Hunk]:
    """Yield whole lines around the edits: those that touch the same line are one hunk."""
    found: list[Hunk] = []
    for edit in sorted(edits, key=lambda one: one.start):
        start, end = data.rfind(b"\n", 0, edit.start) + 1, data.find(b"\n", edit.end) + 1 or len(data)
        if edit.start == len(data):  # lines at the end, each for itself
            found.append((edit.start, edit.start, [edit]))
        elif found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]), [*found[-1][2], edit])
        else:
            found.append((start, end, [edit]))
    yield from found
