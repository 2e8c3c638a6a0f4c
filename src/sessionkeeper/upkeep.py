"""What the end of a request owes to the session that it used: a touch, another key when it is time."""

from __future__ import annotations

from sessionkeeper import conf, keys, policy, renewal, sessions
from sessionkeeper.errors import StoreUnavailable
from sessionkeeper.record import Found
from sessionkeeper.stores import get_store


class Upkeep:
    """The part of a handle that keeps its session alive. The attributes are the handle's."""

    key: keys.Key | None = None
    found: Found | None = None
    rotated = False
    renewed = False
    revoked = False
    signing_in = False

    def touch_if_due(self, *, force: bool = False) -> bool:
        """Record the use, at most once per interval, and return whether it was recorded.

        Best effort: an outage is logged, not raised.
        """
        if self.key is None or self.found is None or self.renewed:
            return False
        if force or self._touch_due(self.key, self.found):
            try:
                return get_store().touch(self.key.id, self.key.secret_hash)
            except StoreUnavailable:
                sessions.log.warning("Session %s: the touch failed.", keys.encode_id(self.key.id))
        return False

    def _touch_due(self, key: keys.Key, found: Found) -> bool:
        record = found.record
        due = policy.touch_due(record, found.now, conf.current().touch_interval)
        return due or renewal.is_first_use(key, record)

    def renew_if_due(self) -> bool:
        """Take the key that the client is to be given next, if it is time. Return whether it is.

        Best effort: in an outage the key in use stays good, and a later request renews it.
        """
        if self._renewal_due():
            try:
                new = renewal.renew(self.key, self.found)  # type: ignore[arg-type]  # both are there
            except StoreUnavailable:
                return False
            if new is not None:
                self.key, self.renewed = new, True
                self._forget_version()
        return self.renewed

    def upkeep_may_be_due(self) -> bool:
        """Whether :meth:`upkeep_due` and all that it asks is worth asking. Cheap: every request does."""
        if self.key is None or self.found is None:
            return False
        record, settings = self.found.record, conf.current()
        return (
            settings.rotate_after is not None
            or record.previous_hash is not None
            or policy.touch_due(record, self.found.now, settings.touch_interval)
        )

    def upkeep_due(self) -> bool:
        """Whether the end of the request has a use to record or a key to renew."""
        if self.key is None or self.found is None:
            return False
        return self._touch_due(self.key, self.found) or self._renewal_due()

    def _renewal_due(self) -> bool:
        if self.key is None or self.found is None or self.rotated or self.revoked or self.signing_in:
            return False
        return renewal.is_due(self.key, self.found)

    def _forget_version(self) -> None:
        """Note that what was read is not what the store has now."""
        if self.found is not None:
            self.found = self.found._replace(record=self.found.record._replace(version=-1))
