"""The doctor's findings, each with its fix, their grade, and the report as text or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import partial
from typing import NamedTuple

#: The most warnings of a deployment with grade B.
_FEW = 3


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


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the report as text: the worst findings first, each with its fix, then the grade."""
    for finding in sorted(findings, key=lambda one: -one.level):
        yield f"{finding.level.name:<8}{finding.about}: {finding.text}"
        if finding.fix:
            yield f"{'':<8}-> {finding.fix}"
    errors, warnings = _count(findings, Level.ERROR), _count(findings, Level.WARNING)
    yield ""
    yield f"Grade {grade(findings)}: {errors} errors, {warnings} warnings, {len(findings)} findings."


def as_json(findings: Sequence[Finding]) -> str:
    """Return the report as a JSON object."""
    found = [{**one._asdict(), "level": one.level.name.lower()} for one in findings]
    return json.dumps({"grade": grade(findings), "findings": found}, indent=2)
