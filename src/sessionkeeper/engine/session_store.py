"""Django's session of one request, sync and async, over an :class:`ActiveSession`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, ClassVar

from django.apps import apps
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import CreateError
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.audit import events
from sessionkeeper.conf import namespaces
from sessionkeeper.core import context, keys
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.core.errors import CrossSiteSession, SessionGone, StaleSession, StoreUnavailable
from sessionkeeper.core.keys import Secret
from sessionkeeper.core.records import COOKIE, KeyStatus, Lookup, SessionPatch
from sessionkeeper.engine import (
    adoption,
    client_binding,
    lookup,
    registry,
    renewal,
    session_data,
)
from sessionkeeper.engine.active_session import ActiveSession
from sessionkeeper.http import client_info
from sessionkeeper.http.client_info import ClientInfo
from sessionkeeper.stores.factory import async_form, get_store, run_in_loop


class noting_outage:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Notes an outage of the store on the session, for the middleware."""

    __slots__ = ("_session",)

    def __init__(self, session: SessionStore) -> None:
        self._session = session

    def __enter__(self) -> None:
        """Nothing to begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Note what ended the block."""
        if isinstance(error, StoreUnavailable):
            self._session.outage = error


if apps.apps_ready and not apps.is_installed("sessionkeeper"):
    # An application that is not installed cannot register a system check.
    raise ImproperlyConfigured(
        "SESSION_ENGINE = 'sessionkeeper.engine' needs 'sessionkeeper' in INSTALLED_APPS, and `manage.py "
        f"migrate` once after that. ({CheckId.NOT_INSTALLED})"
    )


class SessionStore(session_data.ExpiringSession):
    """The session of one request, ``request.session``: Django's ``SessionBase``, in sync and async code.

    It adds :attr:`session_id`, its public name; :attr:`transport`, ``cookie`` or ``bearer``; and
    :attr:`client`, what is stored of the client: ``address``, ``user_agent``, ``label`` and ``amr``.
    The rest is private.
    """

    # For the engine and the middleware:
    # client: what is known of the client, stored with the session.
    # principal_wanted: whether loading also fetches the user; set by our middleware.
    # touches_on_load: whether loading records the use; our middleware records it after the response instead.
    # touched: whether ``modified`` is set only so that the cookie is sent again.
    # cookie_due: whether the response has to send the key.
    # keeps_key: whether cycle_key() does nothing, because Django's get_user() calls it.
    # flushed: whether this request ended the session.
    # checkpoints: what the session was before each change that a rollback may undo.
    # sign_in_undone: whether a rollback undid a sign-in.
    # unsaved: what a rollback left of a session that has to be loaded again.
    # ending: kind and reason that the audit trail gives for the end of the session.
    # adopted: whether this request took the session over from another engine.
    # held: the key that the client sent, of whatever form, or that it is going to be sent.
    # other_cookies: keys in further cookies of the same name.
    # all_open: whether each of several cookies opens a session, so that all of them are of this site.
    # token_wanted: whether a view has looked for a token and found none.
    # outage: the StoreUnavailable that this request raised, or None.
    # closed_form: what a view gets instead of a session that it must not use; set by ``closed_session``.
    # refusal: why nobody may sign in in this request; None if they may.
    # refused: whether something was refused for that reason.

    client: ClientInfo
    _active: ActiveSession
    # Django's, missing from its type stubs.
    _session: dict[str, Any]
    _get_session: Callable[..., dict[str, Any]]
    _aget_session: Callable[[], Coroutine[Any, Any, dict[str, Any]]]
    transport = COOKIE
    principal_wanted = False
    touches_on_load = True
    outage: StoreUnavailable | None = None
    cookie_due = adopted = flushed = keeps_key = touched = sign_in_undone = False
    refused = all_open = token_wanted = False
    refusal: str | None = None
    closed_form: ClassVar[Callable[[SessionStore], SessionStore]]
    held: Secret[str] | None = None
    other_cookies: tuple[Secret[str], ...] = ()
    unsaved: SessionPatch | None = None
    ending: tuple[events.Kind, str] = (events.Kind.REVOKED, "flushed")

    def __init__(self, session_key: str | Secret[str | None] | None = None) -> None:
        session_key = Secret.of(session_key)
        # As Django's, but without importing the serializer, which the codec does when there is data.
        self._session_key = session_key
        self.accessed = self.modified = False
        # A session that code creates in addition to the request's has the client of the request.
        client = client_info.current.get()
        self.client = ClientInfo() if client is None else client.lend()
        self._active = ActiveSession(self.client, self.transport)
        self.checkpoints: list[session_data.Checkpoint] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy keeps, also when pickled: as with Django's, key, data and what was changed.

        Not what belongs to the request: its headers, and the user whom the store joined.
        """
        client = self.client.settled()
        return {**vars(self), "client": client, "_active": self._active.copied(client)}

    @cached_property
    def serializer(self) -> Any:
        """The class that ``SESSION_SERIALIZER`` names."""
        return import_string(settings.SESSION_SERIALIZER)

    @property
    def session_id(self) -> str | None:
        """The public id of the session, 11 characters, for lists, logs and your own tables; or None.

        Loads the session if necessary. The id is not secret, and does not change when the key changes.
        """
        if self._active.key is None:
            self._get_session()
        return None if self._active.key is None else keys.encode_id(self._active.key.id)

    @property
    def session_key(self) -> str | None:
        """The key in clear text, as Django has it. For lists and logs, use :attr:`session_id`."""
        return None if self.held is None else self.held.value

    @property
    def _session_key(self) -> str | None:
        return None if self.held is None else self.held.value

    @_session_key.setter
    def _session_key(self, value: str | Secret[str | None] | None) -> None:
        value = Secret.of(value)
        is_valid: bool = self._validate_session_key(value.value)  # type: ignore[attr-defined] # missing, as above
        self.held = value if is_valid else None  # type: ignore[assignment]

    # Reading

    def load(self) -> dict[str, Any]:
        """Return the data of the session, or {} and drop the key if it opens none.

        Raises:
            StoreUnavailable: the store did not answer. The key is kept.
        """
        was_recalled = self._active.from_near_cache is not None
        with noting_outage(self):
            if self.other_cookies and not self._choose_cookie():
                return self._with_unsaved({})
            verdict, found = lookup.resolve(
                self.held,
                transport=self.transport,
                principal=self.principal_wanted,
                detect_reuse=self._active.detect_reuse,
            )
            data = self._attach(verdict, found)
        if data is None:
            # A user who was let in from the near cache is in this session: a save raises that it has ended,
            # instead of beginning another one.
            self._may_change()  # a rollback may bring it back
            self.held = self.held if was_recalled else None
            return self._with_unsaved({})
        if self.touches_on_load and self._active.is_of_this_request():
            # Django's middleware sends a cookie, which lives for get_expiry_age(), only if modified.
            self.touched = self._active.touch_if_due() and conf.current().limits_life
            self.modified |= self.touched
        return self._with_unsaved(data)

    def _attach(self, verdict: KeyStatus, found: Lookup | None) -> dict[str, Any] | None:
        """Return the data of a session that was found, or is taken over; None if the client has none."""
        data = self._active.attach(verdict, found)
        if data is None and adoption.is_old_key(self.held):
            self._may_change()
            data = context.run_in_database_thread(adoption.take_over, self)
        if (
            data is not None
            and conf.current().watches_clients
            and not client_binding.holds(self._active, data)
        ):
            self._active.detach()
            data, self._active.verdict = None, KeyStatus.GONE
        return data

    def _choose_cookie(self) -> bool:
        """Go on with the only one of several cookies that opens a session. Return whether there is one."""
        held = (self.held, *self.other_cookies)
        self.held, verdict, self.all_open = lookup.resolve_one(held, transport=self.transport)
        if self.held is None:
            self._active.verdict = verdict
        return self.held is not None

    def _with_unsaved(self, data: dict[str, Any]) -> dict[str, Any]:
        unsaved, self.unsaved = self.unsaved, None
        return data if unsaved is None else session_data.add_unsaved(data, unsaved)

    def is_empty(self) -> bool:
        """Return whether there is neither a key nor data. The middleware calls this after the view."""
        if self.unsaved is not None:
            self._get_session()
        return bool(super().is_empty())

    def names_user(self) -> bool:
        """Return whether a user is signed in, as far as this request has loaded."""
        return self._active.from_near_cache is not None or SESSION_KEY in getattr(self, "_session_cache", {})

    def exists(self, session_key: str | Secret[str | None] | None) -> bool:
        """Return whether the store has a session with exactly this key."""
        session_key = Secret.of(session_key)
        key = keys.parse(session_key)
        if key is None:
            return False
        with noting_outage(self):
            found = get_store().find(key.id)
        return (
            found is not None
            and found.record.transport == self.transport
            and keys.same_hash(found.record.secret_hash, key.secret_hash)
        )

    # Writing

    def clear(self) -> None:
        """Remove all data, also what other requests have written meanwhile."""
        super().clear()
        self._active.replace_on_save()

    def __setitem__(self, key: str, value: Any) -> None:
        session_data.check_item(key, value)
        if key == SESSION_KEY:
            self.sign_in()
        elif key == HASH_SESSION_KEY and not self._active.signing_in:
            self._get_session()
            self._may_change()
        super().__setitem__(key, value)

    def update(self, dict_: Any) -> None:  # type: ignore[override]  # Django takes no keywords
        """Set these keys."""
        given = dict(dict_)
        for name, value in given.items():
            session_data.check_item(name, value)
        super().update(given)

    async def aupdate(self, dict_: Any) -> None:
        """Async form of :meth:`update`."""
        await self._aget_session()
        self.update(dict_)

    def sign_in(self) -> None:
        """Change the key because a user signs in, also the same one again (OWASP ASVS 5.0, 7.2.4).

        Raises:
            CrossSiteSession: nobody may sign in in this request.
        """
        data = self._get_session()
        if self.refusal is not None:
            self.flush()
            self.refused = True
            raise CrossSiteSession(self.refusal)
        if self.held is None or (self._active.stored and not self._active.rotated):
            try:
                self.rotate_key()
            except (SessionGone, StaleSession):
                self._begin_anew(data)
        self._may_change(is_sign_in=True)
        session_data.forget_proofs(self._session)
        self._active.signing_in = True

    def create(self) -> None:
        """Store a new session, with a new key and the data in memory."""
        data = self._get_session(no_load=True)
        self._may_change()
        self._active.detach()
        self._insert(data)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Merge what changed into what the store has now.

        Raises:
            CreateError: ``must_create`` is set and the session exists.
            SessionGone, StaleSession: the session was ended, or its key was changed, meanwhile.
            StoreUnavailable: the store did not answer; the data may or may not be written.
        """
        data = self._get_session(no_load=must_create)
        if self.touched and not must_create and not self.has_changes():
            return
        self._may_change()
        if self._active.key is not None and not self._active.stored:
            self._insert(data)
        elif self.held is None:
            self.create()
        elif must_create:
            if self._active.stored:
                raise CreateError
            self.create()
        else:
            self._merge(data)

    def _may_change(self, *, is_sign_in: bool = False) -> None:
        """Prepare for a rollback of a change of the key, the user or the stored data."""
        alias = get_store().alias
        if context.can_roll_back(alias):
            session_data.keep_state(self, alias, is_sign_in=is_sign_in)

    def has_changes(self) -> bool:
        """Return whether a save would write more than the time of use."""
        return hasattr(self, "_session_cache") and self._active.changes(self._session_cache)

    def _insert(self, data: dict[str, Any]) -> None:
        with noting_outage(self):
            self._active.insert(data)
        self.take_key()

    def _merge(self, data: dict[str, Any]) -> None:
        unproven = keys.parse(self.held) if self._active.key is None else None
        if unproven is not None and self._is_of_another_transport(unproven):
            unproven = None
        if self._active.key is None and unproven is None:
            self.create()
            return
        if self._active.outpaced and self.touches_on_load:
            raise StaleSession  # Django's middleware would send the former key again
        with noting_outage(self):
            self.cookie_due |= self._active.merge(data, key=unproven)
        if self._active.key is not None:
            self.held = Secret(self._active.key.text)

    def _is_of_another_transport(self, key: keys.Key) -> bool:
        with noting_outage(self):
            found = get_store().find(key.id)
            if found is not None and not renewal.is_good(key, found):
                raise StaleSession
        return found is not None and found.record.transport != self.transport

    def cycle_key(self) -> None:
        """Give the session another key. The old key is invalid when this returns.

        A new session gets a key in memory, stored at save. If the session was ended meanwhile, no
        authenticated state is carried over. If another request has just changed the key, its response sends
        the new one: this request continues, and sends none.
        """
        if self.keeps_key:
            return
        data = self._get_session()
        try:
            self.rotate_key()
        except StaleSession:
            self._active.outpaced = True
        except SessionGone:
            self._begin_anew(data)

    def _begin_anew(self, data: dict[str, Any]) -> None:
        self._session_cache = {} if SESSION_KEY in data else data
        self._active.mint()
        self.take_key()
        self.modified = True

    def rotate_key(self) -> None:
        """Give the session another key. Unlike :meth:`cycle_key`, raise if it is gone.

        Raises:
            SessionGone, StaleSession: the session was ended, or its key was changed, meanwhile.
            StoreUnavailable: the store did not answer.
        """
        self._get_session()
        self._may_change()
        if self._active.stored:
            with noting_outage(self):
                self._active.rotate()
        else:
            self._active.mint()
        self.take_key()
        self.modified = True

    def renew_hash(self, value: str) -> None:
        """Replace a session auth hash that was made with a former ``SECRET_KEY``. The key stays.

        With another key, a lost response or a parallel request would sign the user out. Our middleware writes
        the hash after the response, like the time of use: no request fails because of it.
        """
        self._session[HASH_SESSION_KEY] = value
        if self.touches_on_load:
            self.modified = True
        else:
            self._active.renew_hash(value)

    @contextmanager
    def keeping_key(self) -> Iterator[None]:
        """Let Django's ``get_user()`` replace the session auth hash as :meth:`renew_hash` does."""
        data, modified = self._session, self.modified
        before, self.keeps_key = data.get(HASH_SESSION_KEY), True
        try:
            yield
        finally:
            self.keeps_key = False
        after = self._session.get(HASH_SESSION_KEY)
        if after is not None and after != before:
            self.modified = modified
            self.renew_hash(after)

    def take_key(self) -> None:
        """Let the response send the key that is in use now."""
        if self._active.key is not None:
            self.held, self.cookie_due = Secret(self._active.key.text), True

    # Ending

    def delete(self, session_key: str | Secret[str | None] | None = None) -> None:
        """Revoke this session, or the one that has exactly ``session_key``.

        The end of this one is made good at the end of the request, if the transaction is rolled back.
        """
        session_key = Secret.of(session_key)
        if session_key.value is None:
            number = self._active.key.id if self._active.stored and self._active.key is not None else None
            step = namespaces.later(partial(_end_again, self.held, number))
            context.insist(get_store().alias, step)
        with noting_outage(self):
            if session_key.value is None:
                adoption.end(self.held)
                self._active.revoke(self.held, kind=self.ending[0], reason=self.ending[1])
            elif (key := keys.parse(session_key)) is not None:
                get_store().revoke(key.id, key.secret_hash)

    def flush(self) -> None:
        """Revoke this session and start an empty one."""
        self.clear()
        self.delete()
        self.checkpoints.clear()  # whatever is rolled back, it has ended
        self._active.detach()
        self.held, self.flushed = None, True

    @classmethod
    def clear_expired(cls) -> None:
        """Remove what is old, as ``sessions purge`` does. Django's ``clearsessions`` calls this.

        Raises:
            CleaningFailed: a store or database did not answer, or refused.
        """
        from sessionkeeper.engine import retention

        retention.clean_all()

    aload = async_form(load)
    asave = async_form(save)
    acreate = async_form(create)
    aexists = async_form(exists)
    adelete = async_form(delete)
    acycle_key = async_form(cycle_key)
    aflush = async_form(flush)

    async def aset(self, key: str, value: Any) -> None:
        """Async form of ``session[key] = value``."""
        session_data.check_item(key, value)
        if key == SESSION_KEY:
            await run_in_loop(self.sign_in)
        await super().aset(key, value)

    @classmethod
    async def aclear_expired(cls) -> None:
        """Async form of :meth:`clear_expired`."""
        await run_in_loop(cls.clear_expired)


def _end_again(held: Secret[str] | None, number: int | None) -> None:
    """End a session whose end was rolled back, given by number, or by a key that was not proved."""
    if number is not None:
        registry.revoke(number, reason="ended_again")
    elif (key := keys.parse(held)) is not None:
        get_store().revoke(key.id, key.secret_hash)
