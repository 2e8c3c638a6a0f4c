"""What must be true, as far as clients were told: which keys open, which are dead, what was written.

Times are of one clock. A request that overlaps a change may see the world before or after it; only a request
that began after a change was acknowledged, or ended before it was asked for, is judged by it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

#: The value of a name that nothing was written to.
UNWRITTEN = None
#: Name to the values that it may have, and how many were begun by then.
Snapshot = dict[str, tuple[set[int | None], int]]


@dataclass
class Key:
    """What a client holds. ``ending``: when its end was asked for; ``dead``: when that was acknowledged."""

    text: str
    ending: float | None = None
    dead: float | None = None


@dataclass
class Session:
    """A session whose sign-in was acknowledged.

    ``values`` are those that each name may have; ``begun`` all that it was ever to have, in order.
    """

    key: Key
    values: dict[str, set[int | None]] = field(default_factory=dict)
    begun: dict[str, list[int]] = field(default_factory=dict)
    is_turning: bool = False


class Model:
    """One user's sessions. Several clients of that user share it; every method is atomic."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.sessions: list[Session] = []
        self.dead: list[Key] = []
        self.signing_in = 0
        self.is_revoking = False

    def begin_end(self, sessions: list[Session], now: float) -> list[Key]:
        """Note that the end of these sessions' keys is asked for."""
        with self.lock:
            keys = [session.key for session in sessions]
            for key in keys:
                key.ending = key.ending or now
            self.sessions = [one for one in self.sessions if one.key not in keys]
        return keys

    def finish_end(self, keys: list[Key], now: float) -> None:
        """Note that the end was acknowledged: from now on none of them lets anybody in."""
        with self.lock:
            for key in keys:
                key.dead = now
                self.dead.append(key)

    def begin_write(self, session: Session, name: str, value: int) -> None:
        """Note that a value is on its way."""
        with self.lock:
            session.values.setdefault(name, {UNWRITTEN}).add(value)
            session.begun.setdefault(name, []).append(value)

    def finish_write(self, session: Session, name: str, value: int) -> None:
        """Note that a value was acknowledged. Only one client writes each name."""
        with self.lock:
            session.values[name] = {value}

    def lost(self, session: Session, shown: dict[str, int], before: Snapshot) -> list[str]:
        """Return the names whose value is none that they may have had since ``before``."""
        found = []
        with self.lock:
            for name, (values, begun) in before.items():
                may = values | set(session.begun[name][begun:])
                if shown.get(name) not in may:
                    found.append(f"{name}: {shown.get(name)} instead of {may}")
        return found

    def snapshot(self, session: Session) -> Snapshot:
        """Return what each name may have now, and how often it was written to."""
        with self.lock:
            return {name: (set(values), len(session.begun[name])) for name, values in session.values.items()}
