"""The doctor's findings, each with its fix, their grade, and the report as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple

from sessionkeeper.management.base import counted

#: The most warnings of a deployment with grade B.
_FEW = 3
#: How the ids of Django's own checks begin.
_DJANGOS = "security."


class Level(IntEnum):
    """How bad a finding is: a warning weakens or slows sign-in, an error breaks it or lets somebody in."""

    OK = 0
    WARNING = 1
    ERROR = 2


class Finding(NamedTuple):
    """The result of a test. ``about`` is a stable name; ``fix`` is empty if there is nothing to do."""

    level: Level
    about: str
    text: str
    fix: str = ""


ok = partial(Finding, Level.OK)
warning = partial(Finding, Level.WARNING)
error = partial(Finding, Level.ERROR)


def _count(findings: Sequence[Finding], level: Level) -> int:
    return sum(finding.level is level for finding in findings)


def grade(findings: Sequence[Finding]) -> str:
    """Return A (nothing to do), B (up to three warnings), C (more warnings) or F (an error)."""
    if _count(findings, Level.ERROR):
        return "F"
    warnings = _count(findings, Level.WARNING)
    return "A" if not warnings else "B" if warnings <= _FEW else "C"


def lines(findings: Sequence[Finding], graded: bool = True) -> Iterator[str]:
    """Yield the report as text: what is in order, what to mend with its fix, by section, then the grade."""
    for title, section in _sections(findings):
        if not section:
            continue
        yield title
        for finding in section:
            yield f"  {finding.level.name:<8}{finding.about}: {finding.text}"
            if finding.fix:
                yield f"  {'':<8}-> {finding.fix}"
        yield ""
    errors, warnings = _count(findings, Level.ERROR), _count(findings, Level.WARNING)
    counts = (counted(errors, "error"), counted(warnings, "warning"), counted(len(findings), "finding"))
    title = f"Grade {grade(findings)}" if graded else "Not graded, since DEBUG is on"
    yield f"{title}: {', '.join(counts)}."


def _sections(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    worst = sorted(findings, key=lambda one: -one.level)
    bad = [one for one in worst if one.level is not Level.OK]
    yield "In order", [one for one in worst if one.level is Level.OK]
    yield "Sessions and sign-in", [one for one in bad if not one.about.startswith(_DJANGOS)]
    yield "Django's deployment checks", [one for one in bad if one.about.startswith(_DJANGOS)]


def as_json(findings: Sequence[Finding], graded: bool = True) -> str:
    """Return the report as a JSON object."""
    found = [{**one._asdict(), "level": one.level.name.lower()} for one in findings]
    return json.dumps({"grade": grade(findings) if graded else None, "findings": found}, indent=2)
