"""The project's Python files, read as text and syntax, and the places in them that can be edited.

Nothing is run. What cannot be found in exactly one place is not edited: :class:`NotSimple` says why.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Sequences = ast.List | ast.Tuple


class NotSimple(Exception):
    """A line cannot be changed by a program; the text says why, for a person who then changes it."""


@dataclass(frozen=True)
class Edit:
    """Bytes ``start`` to ``end`` of a file become ``new``, for a reason."""

    path: Path
    start: int
    end: int
    new: str
    reason: str


class Source:
    """One Python file.

    Raises:
        NotSimple: it cannot be read as Python in UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path.read_bytes()
        try:
            self.text = self.data.decode()
            self.tree = ast.parse(self.data)
        except (UnicodeDecodeError, SyntaxError, ValueError) as error:
            raise NotSimple(f"{path} cannot be read: {error}") from error
        self.newline = "\r\n" if b"\r\n" in self.data else "\n"
        self._has_gap = False
        self._starts = [0]
        for line in self.data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return where a node begins and ends, in bytes."""
        end_line, end = node.end_lineno or node.lineno, node.end_col_offset or node.col_offset
        return self._starts[node.lineno - 1] + node.col_offset, self._starts[end_line - 1] + end

    def code(self, node: ast.expr) -> str:
        """Return a node as it is written."""
        start, end = self.span(node)
        return self.data[start:end].decode()

    @property
    def quote(self) -> str:
        """The quotation mark that most strings of the file begin with."""
        nodes = (node for node in ast.walk(self.tree) if isinstance(node, ast.Constant))
        strings = [self.code(node) for node in nodes if isinstance(node.value, str)]
        doubles = sum(text.startswith('"') for text in strings)
        return '"' if doubles * 2 > len(strings) else "'"

    def assignments(self, name: str) -> list[ast.expr]:
        """Return what is assigned to a name, anywhere in the file."""
        found = []
        for node in ast.walk(self.tree):
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets = [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                found.append(node.value)  # type: ignore[attr-defined]  # all three have one
        return [value for value in found if value is not None]

    def sequences(self) -> Iterator[Sequences]:
        """Yield all lists and tuples that are written out."""
        yield from (node for node in ast.walk(self.tree) if isinstance(node, Sequences))

    def replace(self, node: ast.expr, value: str, reason: str) -> Edit:
        """Write another string in the place of one, with the quotation marks that it has."""
        mark = self.code(node).lstrip("rRuUbBfF")[0]
        return Edit(self.path, *self.span(node), f"{mark}{value}{mark}", reason)

    def insert(self, into: Sequences, before: int, values: Sequence[str], reason: str) -> Edit:
        """Write strings into a list before its element of this number, each on a line if the others are."""
        strings = [element for element in into.elts if _is_string(element)]
        mark = self.code(strings[0])[0] if strings else self.quote
        mark = mark if mark in "'\"" else self.quote
        quoted = [f"{mark}{value}{mark}," for value in values]
        if not into.elts:
            place = self.span(into)[0] + 1
            return Edit(self.path, place, place, " ".join(quoted).rstrip(","), reason)
        if before == len(into.elts):
            place = self.span(into.elts[-1])[1]
            text = "".join(f",{self._gap(into)}{mark}{value}{mark}" for value in values)
            return Edit(self.path, place, place, text, reason)
        place = self.span(into.elts[before])[0]
        text = "".join(f"{value}{self._gap(into)}" for value in quoted)
        return Edit(self.path, place, place, text, reason)

    def insert_code(self, into: Sequences, code: str, reason: str) -> Edit:
        """Write an expression and its comma before the first element of a list that is not empty."""
        place = self.span(into.elts[0])[0]
        return Edit(self.path, place, place, f"{code}{self._gap(into)}", reason)

    def insert_item(self, into: ast.Dict, item: str, reason: str) -> Edit:
        """Write an item before the first of a dictionary."""
        if not into.values or into.keys[0] is None:
            place = self.span(into)[0] + 1
            return Edit(self.path, place, place, item, reason)
        place = self.span(into.keys[0])[0]
        return Edit(self.path, place, place, f"{item},{self._gap_before(into.keys[0], into.lineno)}", reason)

    def replace_statement(self, node: ast.stmt, code: str, reason: str) -> Edit:
        """Write a statement in the place of another."""
        return Edit(self.path, *self.span(node), code, reason)

    def insert_import(self, code: str, reason: str) -> Edit:
        """Write an import after the last one.

        Raises:
            NotSimple: nothing is imported.
        """
        imports = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        if not imports:
            raise NotSimple(f"{self.path.name} imports nothing")
        place = self.span(imports[-1])[1]
        return Edit(self.path, place, place, f"{self.newline}{code}", reason)

    def append(self, lines: str, reason: str) -> Edit:
        """Write lines at the end of the file, after a blank line before the first of them."""
        place = len(self.data)
        if not self._has_gap:
            lines = f"\n{lines}" if self.data.endswith(b"\n") else f"\n\n{lines}"
        self._has_gap = True
        return Edit(self.path, place, place, lines.replace("\n", self.newline), reason)

    def _gap(self, into: Sequences) -> str:
        """What stands between two elements: a new line with its indentation, or a space."""
        return self._gap_before(into.elts[0], into.lineno)

    def _gap_before(self, first: ast.expr, opened: int) -> str:
        if first.lineno == opened:
            return " "
        line = self.data[self._starts[first.lineno - 1] :]
        indentation = line[: len(line) - len(line.lstrip(b" \t"))].decode()
        return f"{self.newline}{indentation}"


def values(node: Sequences) -> list[str | None]:
    """Return the strings in a list, and None for what is no string."""
    return [element.value if _is_string(element) else None for element in node.elts]  # type: ignore[attr-defined]


def only_list(sources: Sequence[Source], value: str) -> tuple[Source, Sequences, int]:
    """Return the one list that holds a string, its file, and the place in it.

    Raises:
        NotSimple: the string is in no list or in several.
    """
    found = [
        (source, node, values(node).index(value))
        for source in sources
        for node in source.sequences()
        if value in values(node)
    ]
    if len(found) != 1:
        where = f"in {len(found)} lists" if found else "in no list"
        raise NotSimple(f"{value!r} is {where} of {' and '.join(str(one.path) for one in sources)}")
    return found[0]


def apply(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the bytes of a file after its edits."""
    for edit in reversed(sorted(edits, key=lambda one: one.start)):  # noqa: C413 - equal ones keep their order
        data = data[: edit.start] + edit.new.encode() + data[edit.end :]
    return data


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
