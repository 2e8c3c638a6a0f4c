"""Counts what happened, and judges refusals by the faults that were under way."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

#: Seconds after a fault within which everything has to work again.
HEALED = 5.0
_UNAVAILABLE, _SERVER_ERROR = 503, 500


@dataclass
class Report:
    """What a soak has seen. ``faults`` are pairs of begin and end, the end None while it lasts."""

    requests: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    faults: list[list[float | None]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong_admissions: list[str] = field(default_factory=list)
    lost_writes: list[str] = field(default_factory=list)
    wrong_refusals: list[str] = field(default_factory=list)
    signed_out: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kind: str, now: float) -> list[float | None]:
        """Note that a fault begins."""
        window: list[float | None] = [now, None]
        with self.lock:
            self.kinds[kind] += 1
            self.faults.append(window)
        return window

    def is_excused(self, began: float, ended: float) -> bool:
        """Whether a request was under way during a fault, or while things were healing."""
        return any(
            ended >= start and (end is None or began <= end + HEALED)
            for start, end in list(self.faults)
            if start is not None
        )

    def request(self, action: str, status: int, began: float, ended: float) -> None:
        """Count a request; refusals outside of faults are wrong."""
        with self.lock:
            self.requests += 1
            self.actions[action] += 1
            self.answers[str(status or "none")] += 1
        if status in {0, _UNAVAILABLE}:
            if self.is_excused(began, ended):
                with self.lock:
                    self.refused += 1
            else:
                self.note(self.wrong_refusals, f"{action}: {status or 'no answer'}")
        elif status >= _SERVER_ERROR:
            self.note(self.errors, f"{action}: {status}")

    def note(self, where: list[str], what: str) -> None:
        """Write down something that is wrong."""
        with self.lock:
            where.append(what)

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong, and something has happened at all."""
        wrong = (
            self.wrong_admissions,
            self.lost_writes,
            self.wrong_refusals,
            self.signed_out,
            self.errors,
        )
        return not any(wrong) and self.requests > 0 and bool(self.faults)

    def lines(self) -> list[str]:
        """The report, a line for each number."""
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.kinds.items()))
        actions = ", ".join(f"{number} {name}" for name, number in sorted(self.actions.items()))
        answers = ", ".join(f"{number} {status}" for status, number in sorted(self.answers.items()))
        return [
            f"requests                     {self.requests:>7}   {actions}",
            f"answers                                {answers}",
            f"faults                       {len(self.faults):>7}   {kinds}",
            f"refused during faults        {self.refused:>7}",
            f"wrong admissions             {len(self.wrong_admissions):>7}",
            f"lost acknowledged writes     {len(self.lost_writes):>7}",
            f"wrongly signed out           {len(self.signed_out):>7}",
            f"refused without a fault      {len(self.wrong_refusals):>7}",
            f"server errors                {len(self.errors):>7}",
        ]

    def details(self) -> list[str]:
        """The first of what is wrong, a line each."""
        named = {
            "wrong admission": self.wrong_admissions,
            "lost write": self.lost_writes,
            "signed out": self.signed_out,
            "refused": self.wrong_refusals,
            "error": self.errors,
        }
        return [f"{name}: {what}" for name, found in named.items() for what in found[:10]]
