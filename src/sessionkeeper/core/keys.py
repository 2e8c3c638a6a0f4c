"""Session keys: mint, parse, hash, compare.

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
from typing import NamedTuple
from zlib import crc32

from django.utils.crypto import salted_hmac

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
_BEARER = re.compile(r"sess_([A-Za-z0-9_-]{40})([0-9A-Za-z]{6})", re.ASCII)
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Ids are 63 bits, so that they fit a signed 64-bit column: 41 bits of milliseconds since 2020, enough
# until 2089, then 22 random bits.
_EPOCH_MS = 1_577_836_800_000
_RANDOM_BITS = 22
MAX_ID = (1 << 63) - 1


class Key(NamedTuple):
    """A parsed session key. ``secret`` is in clear text, in memory only.

    ``repr`` and ``str`` leave the secret out of logs and tracebacks.
    """

    id: int
    secret: str

    @property
    def text(self) -> str:
        """The 40 characters that the client holds."""
        return encode_id(self.id) + self.secret

    @property
    def secret_hash(self) -> bytes:
        """SHA-256 of all 29 characters of the secret: 32 bytes."""
        return hashlib.sha256(self.secret.encode("ascii")).digest()

    @property
    def family_hash(self) -> bytes:
        """SHA-256 of the 7 characters of family: 32 bytes. Stores get an HMAC of it: 42 bits are few."""
        return hashlib.sha256(self.secret[ROTATING_LENGTH:].encode("ascii")).digest()

    def __repr__(self) -> str:
        return f"<Key of session {encode_id(self.id)}>"

    def __str__(self) -> str:
        return repr(self)


def mint() -> Key:
    """Return a key for a new session: a new id and a new secret."""
    return Key(_new_id(), _new_secret())


def rotate(key: Key) -> Key:
    """Return another key for the same session: same id, another secret and family."""
    return Key(key.id, _new_secret())


def renew(key: Key, code: bytes) -> Key:
    """Return the next key: same id and family; the part that rotates is derived from ``code``.

    ``code`` is 32 bytes that only the server can derive from the key.
    """
    rotating = urlsafe_b64encode(code).decode("ascii")[:ROTATING_LENGTH]
    return Key(key.id, rotating + key.secret[ROTATING_LENGTH:])


def keyed_family(key: Key, server_key: str | bytes) -> bytes:
    """Return what the store has of the family of a key: an HMAC of 32 bytes, another for each session."""
    text = encode_id(key.id).encode("ascii") + key.family_hash
    return salted_hmac("sessionkeeper.family", text, secret=server_key, algorithm="sha256").digest()


def parse(text: object) -> Key | None:
    """Return the key in ``text``, or None if it is malformed.

    Accepts any value and never raises. Base64 that is not canonical is refused, so that two different cookies
    never open the same session.
    """
    if not isinstance(text, str) or _KEY.fullmatch(text) is None:
        return None
    return Key(_decode_id(text[:ID_LENGTH]), text[ID_LENGTH:])


def to_bearer(key: Key) -> str:
    """Return the 51 characters of a token: prefix, key, and the CRC-32 of the key in base 62."""
    return BEARER_PREFIX + key.text + _checksum(key.text)


def parse_bearer(text: object) -> Key | None:
    """Return the key in a token, or None if it is malformed. Accepts any value and never raises.

    The checksum detects a mistyped or truncated token without the store. It proves nothing.
    """
    match = _BEARER.fullmatch(text) if isinstance(text, str) else None
    if match is None or _checksum(match[1]) != match[2]:
        return None
    return parse(match[1])


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


def _checksum(text: str) -> str:
    value, digits = crc32(text.encode("ascii")), ""
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
