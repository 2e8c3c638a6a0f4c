"""Clients: each does at random what people do, and compares each answer with the model."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from http.cookies import SimpleCookie
from typing import NamedTuple

from benchmarks.soak.model import Key, Model, Session
from benchmarks.soak.report import Report

PASSWORD = "soak"
OK, DONE, UNAVAILABLE, SERVER_ERROR = 200, 204, 503, 500
#: No answer, or that there is none now.
REFUSALS = {0, UNAVAILABLE}
MOST_SESSIONS = 4
TIMEOUT = 15


class Answer(NamedTuple):
    """What came back; status 0 for nothing. ``key`` is the one in ``Set-Cookie``, "" if it is taken away."""

    status: int
    body: dict
    key: str | None
    began: float
    ended: float


class Person(threading.Thread):
    """One client of a user. Several share the user, each writes names of its own.

    ``staleness`` is how many seconds after its end a dead key may still let somebody in.
    """

    def __init__(
        self,
        model: Model,
        number: int,
        port: int,
        report: Report,
        stop: threading.Event,
        *,
        staleness: float = 0,
    ) -> None:
        super().__init__(daemon=True)
        self._staleness = staleness
        self._model, self._number, self._port, self._report = model, number, port, report
        self._ended = stop
        self._random = random.Random()
        self._connection: http.client.HTTPConnection | None = None
        self._value = 0

    def run(self) -> None:
        actions = [
            (self._read, 40),
            (self._write, 30),
            (self._sign_in, 8),
            (self._turn, 6),
            (self._sign_out, 5),
            (self._revoke_others, 2),
            (self._try_dead, 15),
        ]
        names, weights = zip(*actions, strict=True)
        try:
            while not self._ended.is_set():
                self._random.choices(names, weights)[0]()
        except Exception as error:
            self._report.note(self._report.errors, f"the soak itself: {error!r}")
            raise
        finally:
            self._drop()

    # One request

    def _ask(
        self, action: str, method: str, path: str, key: str | None = None, body: dict | None = None
    ) -> Answer:
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
        if key:
            headers["Cookie"] = f"sessionid={key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        began, status, data, given = time.monotonic(), 0, {}, None
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT)
            self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = self._connection.getresponse()
            text = answer.read()
            status, given = answer.status, _key(answer)
            data = json.loads(text) if text[:1] == b"{" else {}
            if answer.will_close:
                self._drop()
        except (OSError, http.client.HTTPException, ValueError):
            status, given = 0, None
            self._drop()
        ended = time.monotonic()
        self._report.request(action, status, began, ended)
        if status in REFUSALS and given == "":
            self._report.note(self._report.signed_out, f"{action}: an outage took the cookie away")
        if status == 0 or status >= SERVER_ERROR:
            self._ended.wait(0.05)
        return Answer(status, data, given, began, ended)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # What people do

    def _pick(self) -> Session | None:
        with self._model.lock:
            sessions = list(self._model.sessions)
        return self._random.choice(sessions) if sessions else None

    def _sign_in(self) -> None:
        if len(self._model.sessions) >= MOST_SESSIONS:
            self._sign_out()
            return
        with self._model.lock:
            if self._model.is_revoking:  # it might end what is about to begin
                return
            self._model.signing_in += 1
        answer = self._ask(
            "sign-in",
            "POST",
            "/api/auth/login/",
            body={"username": self._model.name, "password": PASSWORD},
        )
        with self._model.lock:
            self._model.signing_in -= 1
            if answer.status == OK and answer.key:
                self._model.sessions.append(Session(Key(answer.key)))
        if answer.status == OK and answer.key:
            return
        if answer.status not in REFUSALS:
            self._report.note(self._report.errors, f"sign-in: {answer.status} {answer.body}")

    def _read(self) -> None:
        session = self._pick()
        if session is None:
            self._sign_in()
            return
        key, before = session.key, self._model.snapshot(session)
        answer = self._ask("read", "GET", self._random.choice(["/read/", "/read/async/"]), key.text)
        if answer.status == OK:
            lost = self._model.lost(session, answer.body["data"], before)
            lost += [f"{name}: only one half of it" for name in answer.body["torn"]]
            if lost and key.ending is None:
                self._report.note(self._report.lost_writes, "; ".join(lost))
            if answer.body["user"] != self._model.name:
                self._report.note(self._report.wrong_admissions, "somebody else's session")
        else:
            self._judge_refusal("read", key, answer)

    def _write(self) -> None:
        session = self._pick()
        if session is None:
            return
        self._value += 1
        key, name, value = session.key, f"v{self._number}-{self._random.randrange(5)}", self._value
        self._model.begin_write(session, name, value)
        answer = self._ask("write", "POST", f"/write/{name}/{value}/", key.text)
        if answer.status == OK:
            self._model.finish_write(session, name, value)
        else:
            self._judge_refusal("write", key, answer)

    def _judge_refusal(self, action: str, key: Key, answer: Answer) -> None:
        """An answer that is none of success: was the key good for all of the time?"""
        if answer.status in REFUSALS or key.ending is not None:
            return
        self._report.note(self._report.signed_out, f"{action}: {answer.status} {answer.body}")

    def _turn(self) -> None:
        """Prove the password again, which changes the key."""
        session = self._claim()
        if session is None:
            return
        old = session.key
        old.ending = time.monotonic()  # from now on it may be dead
        answer = self._ask(
            "reauthentication", "POST", "/api/auth/reauthenticate/", old.text, {"password": PASSWORD}
        )
        if answer.key:  # with a 503 too, if the key had been changed by then
            with self._model.lock:
                session.key, session.is_turning = Key(answer.key), False
                old.dead = answer.ended
                self._model.dead.append(old)
        elif answer.status in REFUSALS:
            self._find_out(session, old)
        else:
            self._report.note(self._report.errors, f"reauthentication: {answer.status} {answer.body}")
            self._forget(session)

    def _claim(self) -> Session | None:
        """Take a session that nobody else turns or ends at the moment."""
        with self._model.lock:
            free = [one for one in self._model.sessions if not one.is_turning]
            session = self._random.choice(free) if free else None
            if session is not None:
                session.is_turning = True
        return session

    def _find_out(self, session: Session, old: Key) -> None:
        """The key may be the old one still, or one that never arrived: ask until there is an answer."""
        while not self._ended.is_set():
            answer = self._ask("read", "GET", "/read/", old.text)
            if answer.status == OK:
                with self._model.lock:
                    session.key, session.is_turning = Key(old.text), False
                return
            if answer.status not in REFUSALS:
                break
        self._forget(session)

    def _forget(self, session: Session) -> None:
        with self._model.lock:
            if session in self._model.sessions:
                self._model.sessions.remove(session)

    def _sign_out(self) -> None:
        session = self._claim()
        if session is None:
            return
        keys = self._model.begin_end([session], time.monotonic())
        answer = self._ask("sign-out", "POST", "/api/auth/logout/", session.key.text)
        if answer.status == DONE:
            self._model.finish_end(keys, answer.ended)
        elif answer.status not in REFUSALS:
            self._report.note(self._report.errors, f"sign-out: {answer.status} {answer.body}")

    def _revoke_others(self) -> None:
        with self._model.lock:
            free = [one for one in self._model.sessions if not one.is_turning]
            if not free[1:] or len(free) < len(self._model.sessions) or self._model.signing_in:
                return
            kept, others = free[0], free[1:]
            self._model.is_revoking = True
            for one in free:
                one.is_turning = True
        keys = self._model.begin_end(others, time.monotonic())
        answer = self._ask("revoke others", "POST", "/api/auth/sessions/revoke-others/", kept.key.text)
        with self._model.lock:
            kept.is_turning = self._model.is_revoking = False
        if answer.status == OK:
            self._model.finish_end(keys, answer.ended)
        else:
            self._judge_refusal("revoke others", kept.key, answer)

    def _try_dead(self) -> None:
        """Come back with a key that is dead: nobody may be let in, whatever has happened since."""
        with self._model.lock:
            dead = list(self._model.dead)
        if not dead:
            return
        key = self._random.choice(dead)
        method, path = self._random.choice([("GET", "/read/"), ("POST", "/write/v-late/1/")])
        answer = self._ask("dead key", method, path, key.text)
        if answer.status == OK and key.dead is not None and answer.began > key.dead + self._staleness:
            self._report.note(
                self._report.wrong_admissions, f"a key that had died {answer.began - key.dead:.3f} s before"
            )


def _key(answer: http.client.HTTPResponse) -> str | None:
    for header in answer.headers.get_all("Set-Cookie") or ():
        morsel = SimpleCookie(header).get("sessionid")
        if morsel is not None:
            return morsel.value
    return None
