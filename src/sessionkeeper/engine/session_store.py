"""Django's session of one request, sync and async, over an :class:`ActiveSession`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.module_loading import import_string

from sessionkeeper import conf
from sessionkeeper.audit import events
from sessionkeeper.core import client_info, greenlets, keys, moments
from sessionkeeper.core.check_ids import CheckId
from sessionkeeper.core.client_info import ClientInfo
from sessionkeeper.core.errors import SessionGone, StaleSession, StoreUnavailable
from sessionkeeper.core.records import COOKIE, KeyStatus
from sessionkeeper.engine import adoption, client_binding, limits, lookup, renewal, session_data
from sessionkeeper.engine.active_session import ActiveSession
from sessionkeeper.stores.factory import get_store, run_in_loop

_T = TypeVar("_T")


class noting_outage:  # noqa: N801 - a context manager, which every request enters: a generator would cost more
    """Notes on the session that the store did not answer, for the middleware."""

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
    # An application that is not installed cannot register a system check, so its absence is told here.
    raise ImproperlyConfigured(
        "SESSION_ENGINE = 'sessionkeeper.engine' needs 'sessionkeeper' in INSTALLED_APPS, and `manage.py "
        f"migrate` once after that. ({CheckId.NOT_INSTALLED})"
    )


class SessionStore(SessionBase):
    """The session of one request, ``request.session``: Django's ``SessionBase``, in sync and async code.

    It adds :attr:`session_id`, its public name; :attr:`transport`, ``cookie`` or ``bearer``; and
    :attr:`client`, what is stored of the client: ``address``, ``user_agent``, ``label`` and ``amr``.
    The rest is private.
    """

    # For the engine and the middleware:
    # client: facts of the client that are stored with the session.
    # principal_wanted: whether a load brings the user along; set by our middleware.
    # touches_on_load: whether a load of the request's session records the use; our middleware does it after
    #     the response instead.
    # touched: whether it is ``modified`` only so that the cookie is sent again.
    # cookie_due: whether the client must be given the key (again).
    # flushed: whether this request ended the session.
    # ended_id: id of the stored session that it ended.
    # ending: what the audit trail says of the end of the session, and why it ended.
    # adopted: whether this request took the session over from another engine.
    # other_cookies: keys in further cookies of the same name.
    # outage: the StoreUnavailable that this request met, or None.

    client: ClientInfo
    _active: ActiveSession
    # Django's, which its type stubs leave out.
    _session: dict[str, Any]
    _get_session: Callable[..., dict[str, Any]]
    transport = COOKIE
    principal_wanted = False
    touches_on_load = True
    outage: StoreUnavailable | None = None
    cookie_due = adopted = flushed = touched = False
    other_cookies: tuple[str, ...] = ()
    ended_id: int | None = None
    ending: tuple[events.Kind, str] = (events.Kind.REVOKED, "flushed")

    def __init__(self, session_key: str | None = None) -> None:
        # What Django's does, but for the serializer, which the codec looks up when there is data.
        self._session_key = session_key
        self.accessed = self.modified = False
        # A session that code makes for itself, beside that of the request, has the client of the request.
        client = client_info.current.get()
        self.client = ClientInfo() if client is None else client.lend()
        self._active = ActiveSession(self.client, self.transport)

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

    # Reading

    def load(self) -> dict[str, Any]:
        """Return the data of the session, or {} when the key opens none; then the key is dropped.

        Raises:
            StoreUnavailable: the store did not answer. The key stays.
        """
        was_recalled = self._active.from_near_cache is not None
        with noting_outage(self):
            if self.other_cookies:
                session_keys = (self._session_key, *self.other_cookies)
                self._session_key, verdict = lookup.resolve_one(session_keys, transport=self.transport)
                if self._session_key is None:
                    self._active.verdict = verdict
                    return {}
            verdict, found = lookup.resolve(
                self._session_key,
                transport=self.transport,
                principal=self.principal_wanted,
                detect_reuse=self._active.detect_reuse,
            )
            data = self._active.attach(verdict, found)
            if data is None and adoption.is_old_key(self._session_key):
                data = greenlets.run_in_database_thread(adoption.take_over, self)
            if (
                data is not None
                and conf.current().watches_clients
                and not client_binding.holds(self._active, data)
            ):
                self._active.detach()
                data, self._active.verdict = None, KeyStatus.GONE
        if data is None:
            # Whoever was let in from memory works in this session: a save says that it has ended, and does
            # not begin another one.
            self._session_key = self._session_key if was_recalled else None
            return {}
        if self.touches_on_load and self._active.is_of_this_request():
            # Django's middleware gives the cookie the life of get_expiry_age(), and only what is modified.
            self.touched = self._active.touch_if_due() and conf.current().limits_life
            self.modified |= self.touched
        return data

    def names_user(self) -> bool:
        """Whether somebody is signed in, as far as this request asked."""
        return self._active.from_near_cache is not None or SESSION_KEY in getattr(self, "_session_cache", {})

    def exists(self, session_key: str | None) -> bool:
        """Whether the store has a session with exactly this key."""
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
        """Drop all data, also what other requests wrote meanwhile."""
        super().clear()
        self._active.replace_on_save()

    def __setitem__(self, key: str, value: Any) -> None:
        if key == SESSION_KEY:
            self.sign_in()
        super().__setitem__(key, value)

    def sign_in(self) -> None:
        """Give the session another key when somebody signs in, also the same user again (ASVS 7.2.4)."""
        self._get_session()
        if self.session_key is None or (self._active.stored and not self._active.rotated):
            self.cycle_key()
        session_data.forget_proofs(self._session)
        self._active.signing_in = True

    def create(self) -> None:
        """Store a new session with the data in memory, under a new key."""
        data = self._get_session(no_load=True)
        self._active.detach()
        self._insert(data)
        self.modified = True

    def save(self, must_create: bool = False) -> None:
        """Write what changed, merged into what the store has now.

        Raises:
            CreateError: ``must_create``, and the session exists.
            UpdateError: the session was ended or given another key meanwhile (SessionGone, StaleSession).
            StoreUnavailable: the store did not answer; nothing is known to be written.
        """
        data = self._get_session(no_load=must_create)
        if self.touched and not must_create and not self.has_changes():
            return
        if self._active.key is not None and not self._active.stored:
            self._insert(data)
        elif self.session_key is None:
            self.create()
        elif must_create:
            if self._active.stored:
                raise CreateError
            self.create()
        else:
            self._merge(data)

    def has_changes(self) -> bool:
        """Whether a save would write more than the time of use."""
        return hasattr(self, "_session_cache") and self._active.changes(self._session_cache)

    def _insert(self, data: dict[str, Any]) -> None:
        with noting_outage(self):
            self._active.insert(data)
        self.take_key()

    def _merge(self, data: dict[str, Any]) -> None:
        unproven = keys.parse(self.session_key) if self._active.key is None else None
        if unproven is not None and self._is_of_another_transport(unproven):
            unproven = None
        if self._active.key is None and unproven is None:
            self.create()
            return
        with noting_outage(self):
            self.cookie_due |= self._active.merge(data, key=unproven)
        if self._active.key is not None:
            self._session_key = self._active.key.text

    def _is_of_another_transport(self, key: keys.Key) -> bool:
        with noting_outage(self):
            found = get_store().find(key.id)
            if found is not None and not renewal.is_good(key, found):
                raise StaleSession
        return found is not None and found.record.transport != self.transport

    def cycle_key(self) -> None:
        """Rotate: the same session under another key. The old key is dead when this returns.

        A visitor who has no session yet is given a key in memory, stored at save. When the session was
        ended or rotated by somebody else meanwhile, nothing of an authenticated state is carried over.
        """
        data = self._get_session()
        try:
            if self._active.stored:
                with noting_outage(self):
                    self._active.rotate()
            else:
                self._active.mint()
        except (SessionGone, StaleSession):
            self._session_cache = {} if SESSION_KEY in data else data
            self._active.mint()
        self.take_key()
        self.modified = True

    def rotate_key(self) -> None:
        """Give a stored session another key, or raise: unlike :meth:`cycle_key` it never begins a new one.

        Raises:
            UpdateError: the session was ended or given another key meanwhile (SessionGone, StaleSession).
            StoreUnavailable: the store did not answer.
        """
        self._get_session()
        if not self._active.stored:
            self.cycle_key()
            return
        with noting_outage(self):
            self._active.rotate()
        self.take_key()
        self.modified = True

    def take_key(self) -> None:
        """Let the client be given the key that is in use now."""
        if self._active.key is not None:
            self._session_key, self.cookie_due = self._active.key.text, True

    def set_expiry(self, value: Any) -> None:
        """Django's, but that a length stays one in a night when clocks change (``USE_TZ = False``)."""
        super().set_expiry(_from_now(value))

    async def aset_expiry(self, value: Any) -> None:
        """See ``set_expiry``."""
        await super().aset_expiry(_from_now(value))

    # Ending

    def delete(self, session_key: str | None = None) -> None:
        """Revoke this session, or the one that has exactly ``session_key``."""
        with noting_outage(self):
            if session_key is None:
                adoption.end(self._session_key)
                self._active.revoke(self.session_key, kind=self.ending[0], reason=self.ending[1])
            elif (key := keys.parse(session_key)) is not None:
                get_store().revoke(key.id, key.secret_hash)

    def flush(self) -> None:
        """Revoke this session and start an empty one."""
        self.clear()
        if self._active.stored and self._active.key is not None:
            self.ended_id = self._active.key.id
        self.delete()
        self._active.detach()
        self._session_key, self.flushed = None, True

    @classmethod
    def clear_expired(cls) -> None:
        """Remove what is old, as ``sessions purge`` does: Django's ``clearsessions`` calls this.

        Raises:
            CleaningFailed: a store did not answer, or refused; the text says it in one sentence.
        """
        from sessionkeeper.engine import retention

        retention.clean_all()

    def new_bearer(self) -> SessionStore:
        """Return an empty bearer session, not stored yet, of the same client. This session stays as it is."""
        from sessionkeeper.engine.bearer import NewBearerSession  # which imports this module

        session = NewBearerSession()
        session.client.address, session.client.user_agent = self.client.address, self.client.user_agent
        return session

    # Answering

    def get_expiry_age(self, **kwargs: Any) -> int:
        """Return the seconds until the session ends if nobody uses it again, counted from ``modification``.

        Django's number, unless ``SESSIONKEEPER`` says how long sessions live.
        """
        return self._age(super().get_expiry_age(**kwargs), kwargs)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """See ``get_expiry_age``."""
        return await self._beside_if_asked(self._age, await super().aget_expiry_age(**kwargs), kwargs)

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """Return the moment at which ``get_expiry_age`` is over."""
        kwargs.setdefault("modification", timezone.now())
        age = super().get_expiry_age(**kwargs)
        return super().get_expiry_date(**kwargs) - timedelta(seconds=age - self._age(age, kwargs))

    async def aget_expiry_date(self, **kwargs: Any) -> datetime:
        """See ``get_expiry_date``."""
        kwargs.setdefault("modification", timezone.now())
        age = await super().aget_expiry_age(**kwargs)
        left = await self._beside_if_asked(self._age, age, kwargs)
        return await super().aget_expiry_date(**kwargs) - timedelta(seconds=age - left)

    def _age(self, age: int, given: dict[str, Any]) -> int:
        """Return how much of an age that Django reckons the limits leave."""
        if not conf.current().limits_life:
            return age
        if "expiry" in given:  # then nothing is loaded
            data = {**getattr(self, "_session_cache", {}), limits.EXPIRY_KEY: given["expiry"]}
        else:
            data = self._get_session()
        idle, lifetime = self._active.effective_limits(data)
        if isinstance(lifetime, datetime):
            now = given.get("modification") or timezone.now()
            lifetime -= moments.aware(now)
        left = int(lifetime.total_seconds())
        return left if idle is None else min(idle, left)

    def cookie_age(self) -> int | None:
        """Seconds that the cookie lives: to the absolute expiry; None: until the browser closes."""
        if self.get_expire_at_browser_close():
            return None
        life = self._active.remaining_lifetime
        if life is None:
            return super().get_expiry_age()
        return max(int(life.total_seconds()), 0)

    # Async: the sync forms, in the event loop where the store can wait there, else in a thread.

    async def aload(self) -> dict[str, Any]:
        """See ``load``."""
        return await run_in_loop(self.load)

    async def asave(self, must_create: bool = False) -> None:
        """See ``save``."""
        await run_in_loop(partial(self.save, must_create))

    async def acreate(self) -> None:
        """See ``create``."""
        await run_in_loop(self.create)

    async def aexists(self, session_key: str) -> bool:
        """See ``exists``."""
        return await run_in_loop(partial(self.exists, session_key))

    async def adelete(self, session_key: str | None = None) -> None:
        """See ``delete``."""
        await run_in_loop(partial(self.delete, session_key))

    async def aset(self, key: str, value: Any) -> None:
        """Async form of ``session[key] = value``."""
        if key == SESSION_KEY:
            await self.akeys()  # loaded before the decision whether the store is needed
            await self._beside_if_stored(self.sign_in)
        await super().aset(key, value)

    async def acycle_key(self) -> None:
        """See ``cycle_key``."""
        await self.akeys()
        await self._beside_if_stored(self.cycle_key)

    async def aflush(self) -> None:
        """See ``flush``."""
        await run_in_loop(self.flush)

    @classmethod
    async def aclear_expired(cls) -> None:
        """See ``clear_expired``."""
        await run_in_loop(cls.clear_expired)

    async def _beside_if_stored(self, function: Callable[[], None]) -> None:
        if self._active.stored:
            await run_in_loop(function)
        else:
            function()

    async def _beside_if_asked(self, function: Callable[..., _T], *args: Any) -> _T:
        """Call what needs a limit, for which a function of the project's may ask anybody."""
        return await run_in_loop(partial(function, *args)) if conf.current().asked else function(*args)


def _from_now(value: Any) -> Any:
    return moments.native(moments.now() + value) if isinstance(value, timedelta) else value
