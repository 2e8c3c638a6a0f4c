"""Session keys: mint, parse, hash, compare; and what hides them and other secrets from error reports.

A key is exactly 40 base64url characters: 11 for the session id and 29 for the secret, of which 22 rotate
(132 bits) and 7 are the family (42 bits). Other tables with a ``session_key`` (Django's, allauth's) hold 40
characters. The store sees only the SHA-256 digest of the whole secret, and an HMAC of the family.

A bearer token is ``sess_``, the 40 characters, and a checksum of six. Prefix and checksum let secret scanners
recognise a token offline.

The entropy exceeds what OWASP ASVS 5.0, 7.2.3 (128 bits) and NIST SP 800-63B-4, 5.1 (64 bits) require.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from datetime import datetime
from types import CellType
from typing import Generic, TypeVar
from zlib import crc32

from django.utils.crypto import salted_hmac

T_co = TypeVar("T_co", covariant=True)

KEY_LENGTH = 40
ID_LENGTH = 11
ROTATING_LENGTH = 22
FAMILY_LENGTH = 7
BEARER_PREFIX = "sess_"
CHECKSUM_LENGTH = 6

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
# The one spelling of 63 bits: the first of the 66 is 0 by the first letter, the last two by the last one.
_ID = re.compile(r"[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]", re.ASCII)
_KEY = re.compile(_ID.pattern + r"[A-Za-z0-9_-]{29}", re.ASCII)
_BEARER = re.compile(r"sess_[A-Za-z0-9_-]{40}[0-9A-Za-z]{6}", re.ASCII)
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Ids are 63 bits, so that they fit a signed 64-bit column: 41 bits of milliseconds since 2020, enough
# until 2089, then 22 random bits.
_EPOCH_MS = 1_577_836_800_000
_RANDOM_BITS = 22
MAX_ID = (1 << 63) - 1


class Secret(Generic[T_co]):
    """A value that shows nothing of itself, for local variables: error reports contain those of every frame.

    ``repr``, ``str`` and ``format`` show nothing, and no serializer that walks containers or attributes finds
    the value. A function that is given a secret as text hides it in its first statement.
    """

    __slots__ = ("_cell",)

    def __init__(self, value: T_co) -> None:
        self._cell = CellType(value)

    @classmethod
    def of(cls, value: T_co | Secret[T_co]) -> Secret[T_co]:
        """Return ``value``, hidden if it is not yet."""
        return value if isinstance(value, Secret) else Secret(value)

    @property
    def value(self) -> T_co:
        """The value itself. Use it in an expression, and give it no name."""
        return self._cell.cell_contents  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "<Secret>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __deepcopy__(self, memo: object) -> Secret[T_co]:
        return self

    def __reduce__(self) -> tuple[type[Secret[T_co]], tuple[T_co]]:
        return Secret, (self.value,)  # a session can be pickled, as Django's can


class Key:
    """A parsed session key: the public id of the session, and the secret, which it does not show."""

    __slots__ = ("_secret", "id")

    def __init__(self, session_id: int, secret: str | Secret[str]) -> None:
        self.id, self._secret = session_id, Secret.of(secret)

    @property
    def secret(self) -> str:
        """The 29 characters of the secret, in clear text. Use them in an expression only."""
        return self._secret.value

    @property
    def text(self) -> str:
        """The 40 characters that the client holds. Use them in an expression only."""
        return encode_id(self.id) + self._secret.value

    @property
    def secret_hash(self) -> bytes:
        """SHA-256 of all 29 characters of the secret: 32 bytes."""
        return hashlib.sha256(self._secret.value.encode("ascii")).digest()

    @property
    def family_hash(self) -> bytes:
        """SHA-256 of the 7 characters of family: 32 bytes. Stores get an HMAC of it: 42 bits are few."""
        return hashlib.sha256(self._secret.value[ROTATING_LENGTH:].encode("ascii")).digest()

    def __repr__(self) -> str:
        return f"<Key of session {encode_id(self.id)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.id == other.id and self._secret == other._secret

    def __hash__(self) -> int:
        return hash((self.id, self._secret))


def mint() -> Key:
    """Return a key for a new session: a new id and a new secret."""
    return Key(_new_id(), Secret(_new_secret()))


def rotate(key: Key) -> Key:
    """Return another key for the same session: same id, another secret and family."""
    return Key(key.id, Secret(_new_secret()))


def renew(key: Key, code: Secret[bytes]) -> Key:
    """Return the next key: same id and family; the part that rotates is derived from ``code``.

    ``code`` is 32 bytes that only the server can derive from the key.
    """
    rotating = Secret(urlsafe_b64encode(code.value).decode("ascii")[:ROTATING_LENGTH])
    return Key(key.id, Secret(rotating.value + key.secret[ROTATING_LENGTH:]))


def keyed_family(key: Key, server_key: Secret[str | bytes]) -> bytes:
    """Return what the store has of the family of a key: an HMAC of 32 bytes, another for each session."""
    text = encode_id(key.id).encode("ascii") + key.family_hash
    return salted_hmac("sessionkeeper.family", text, secret=server_key.value, algorithm="sha256").digest()


def parse(text: object) -> Key | None:
    """Return the key in ``text``, which may be hidden, or None if it is malformed.

    Accepts any value and never raises. Base64 that is not canonical is refused, so that two different cookies
    never open the same session.
    """
    text = Secret.of(text)
    if not isinstance(text.value, str) or _KEY.fullmatch(text.value) is None:
        return None
    return Key(_decode_id(text.value[:ID_LENGTH]), Secret(text.value[ID_LENGTH:]))


def to_bearer(key: Key) -> str:
    """Return the 51 characters of a token: prefix, key, and the CRC-32 of the key in base 62."""
    return BEARER_PREFIX + key.text + _checksum(key)


def parse_bearer(text: object) -> Key | None:
    """Return the key in a token, or None if it is malformed. Accepts any value and never raises.

    The checksum detects a mistyped or truncated token without the store. It proves nothing.
    """
    text = Secret.of(text)
    if not isinstance(text.value, str) or _BEARER.fullmatch(text.value) is None:
        return None
    key = parse(Secret(text.value[len(BEARER_PREFIX) : -CHECKSUM_LENGTH]))
    return key if key is not None and _checksum(key) == text.value[-CHECKSUM_LENGTH:] else None


def encode_id(session_id: int) -> str:
    """Return the 11 base64url characters that name a session in public."""
    return urlsafe_b64encode(session_id.to_bytes(8, "big"))[:ID_LENGTH].decode("ascii")


def id_before(moment: datetime) -> int:
    """Return an id below those of all sessions that began at this moment or later."""
    elapsed = int(moment.timestamp() * 1000) - _EPOCH_MS
    return max(elapsed << _RANDOM_BITS, 1) - 1


def made_at(session_id: int) -> int:
    """Return when an id was minted, in microseconds since 1970."""
    return ((session_id >> _RANDOM_BITS) + _EPOCH_MS) * 1000


def parse_id(text: object) -> int | None:
    """Return the session id in 11 characters, or None for any other value."""
    if not isinstance(text, str) or _ID.fullmatch(text) is None:
        return None
    return _decode_id(text)


def same_hash(left: bytes, right: bytes) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(left, right)


def _decode_id(text: str) -> int:
    return int.from_bytes(a2b_base64(text.replace("-", "+").replace("_", "/") + "="), "big")


def _checksum(key: Key) -> str:
    value, digits = crc32(key.text.encode("ascii")), ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits


def _new_id() -> int:
    elapsed = time.time_ns() // 1_000_000 - _EPOCH_MS
    return ((elapsed << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)) & MAX_ID


def _new_secret() -> str:
    length = ROTATING_LENGTH + FAMILY_LENGTH
    return "".join([_ALPHABET[byte & 63] for byte in secrets.token_bytes(length)])
