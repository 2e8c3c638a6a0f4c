"""What is to be changed in a project, and where a setting is written."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from sessionkeeper.management.init.sources import Edit, NotSimple, Source


@dataclass
class Plan:
    """What is to be changed.

    Attributes:
        edits: changes that a program can make.
        by_hand: what only a person can change, a sentence each.
        left: what stays as it is although it looks like a candidate, and why.
    """

    edits: list[Edit] = field(default_factory=list)
    by_hand: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def add(self, instruction: str, make: Callable[[], Edit]) -> None:
        """Add an edit, or the instruction for a person where the file is not simple."""
        try:
            self.edits.append(make())
        except NotSimple as error:
            self.by_hand.append(f"{instruction} ({error}).")


def set_line(files: list[Source], name: str, value: str, reason: str) -> Edit:
    """Return the edit that sets a setting to a string, in its line if it has one, or at the end of the file.

    Raises:
        NotSimple: it is assigned several times, or not to a string.
    """
    found = [(source, node) for source in files for node in source.assignments(name)]
    if not found:
        home = home_of(files)
        return home.append(f"{name} = {home.quote}{value}{home.quote}\n", reason)
    source, node = found[0]
    if len(found) > 1 or not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        raise NotSimple(f"it is not one assignment of a string in {source.path}")
    return source.replace(node, value, reason)


def home_of(files: list[Source]) -> Source:
    """The file to which lines are added: the one with the applications, or the settings module."""
    return next((source for source in files if source.assignments("INSTALLED_APPS")), files[0])
