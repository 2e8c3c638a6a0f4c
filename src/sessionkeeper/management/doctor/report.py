"""What the doctor found: one line each with its fix, a grade over all, text or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

#: So many warnings are still a B.
_FEW = 3


class Level(IntEnum):
    """How bad a finding is."""

    OK = 0
    WARNING = 1
    ERROR = 2


class Finding(NamedTuple):
    """One thing that was looked at. ``about`` is a stable name, ``fix`` what to do unless all is well."""

    level: Level
    about: str
    text: str
    fix: str = ""


def ok(about: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, about, text)


def warning(about: str, text: str, fix: str) -> Finding:
    """Something that weakens or slows sign-in."""
    return Finding(Level.WARNING, about, text, fix)


def error(about: str, text: str, fix: str) -> Finding:
    """Something that breaks sign-in, or lets somebody in."""
    return Finding(Level.ERROR, about, text, fix)


def grade(findings: Sequence[Finding]) -> str:
    """Return A (nothing to do), B (up to three warnings), C (more of them) or F (an error)."""
    if any(finding.level is Level.ERROR for finding in findings):
        return "F"
    warnings = sum(finding.level is Level.WARNING for finding in findings)
    if not warnings:
        return "A"
    return "B" if warnings <= _FEW else "C"


def lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the report for people: the worst first, each with its fix; then the grade."""
    for finding in sorted(findings, key=lambda one: -one.level):
        yield f"{finding.level.name:<8}{finding.about}: {finding.text}"
        if finding.fix:
            yield f"{'':<8}-> {finding.fix}"
    errors, warnings = (
        sum(finding.level is level for finding in findings) for level in (Level.ERROR, Level.WARNING)
    )
    yield ""
    yield f"Grade {grade(findings)}: {errors} errors, {warnings} warnings, {len(findings)} things looked at."


def as_json(findings: Sequence[Finding]) -> str:
    """Return the report for programs."""
    found: list[dict[str, Any]] = [
        {"level": one.level.name.lower(), "about": one.about, "text": one.text, "fix": one.fix}
        for one in findings
    ]
    return json.dumps({"grade": grade(findings), "findings": found}, indent=2)
