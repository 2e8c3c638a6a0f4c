"""What our columns can hold: session data as JSON text, and primary keys of users.

Data is encoded key by key, so that stores can merge it and operators can read it. Databases normalize JSON:
PostgreSQL's ``jsonb`` and MySQL sort the keys of objects, rewrite numbers, and reject NUL and lone
surrogates. Session data must be returned unchanged, so a value that the database would alter is stored as
text: ``{"$json": "<its JSON>"}``. The output of a serializer that is not JSON is stored as ``{"$signed":
"<signed base64>"}``: signed with ``SECRET_KEY``, because formats such as pickle execute code.

The columns for users were made for the user model at the start of the process. A test may set
``AUTH_USER_MODEL`` to a model with another type of primary key, or to a missing one. Users of such a model
have sessions too, but the columns stay empty for them.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.core.records import is_storable

_decoder = json.JSONDecoder()
_JSON = "$json"
_SIGNED = "$signed"
_SALT = "sessionkeeper.payload"


def encode(values: dict[str, Any]) -> str:
    """Return ``values`` as the text of a JSON object. Raises ValueError, and what the serializer raises."""
    serializer = _serializer()
    if not _writes_json(serializer):
        return json.dumps(
            {stored_name(name): {_SIGNED: _sign(serializer, value)} for name, value in values.items()}
        )
    text: str = serializer().dumps(values).decode("utf-8")
    plain = values if serializer is JSONSerializer else json.loads(text)
    if all(_survives(name) and _survives(value) for name, value in plain.items()):
        return text
    plain = json.loads(text)
    return json.dumps(
        {
            stored_name(name): value if _survives(value) else {_JSON: json.dumps(value)}
            for name, value in plain.items()
        }
    )


def decode(text: str) -> dict[str, Any]:
    """Return the values in a text of ``encode``. Raises CorruptPayload for any other text."""
    serializer = _serializer()
    try:
        data = parse(text)
        if _JSON in text or _SIGNED in text or serializer is not JSONSerializer:
            data = _unwrap(serializer, data)
    except Exception as error:
        # A project's serializer may raise anything on foreign bytes.
        raise CorruptPayload("The stored session data cannot be read.") from error
    if not isinstance(data, dict):
        raise CorruptPayload("The stored session data is not an object.")
    return data


def parse(text: str) -> Any:
    """Return the value of a JSON text as ``json.loads`` does, but faster, especially for our own texts.

    Raises:
        ValueError, RecursionError: the text is not valid JSON.
    """
    try:
        value, end = _decoder.raw_decode(text)
    except ValueError:  # leading white space, or no JSON
        return _decoder.decode(text)
    return value if end == len(text) else _decoder.decode(text)


def same(left: Any, right: Any) -> bool:
    """Whether two values have the same stored form."""
    if type(left) is type(right) and isinstance(left, str | int | None):
        return bool(left == right)
    return encode({"": left}) == encode({"": right})


def _unwrap(serializer: Any, stored: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    signed: dict[str, Any] = {}
    for name, value in stored.items():
        if isinstance(value, dict) and value.keys() == {_JSON}:
            plain[name] = json.loads(value[_JSON])
        elif isinstance(value, dict) and value.keys() == {_SIGNED}:
            signed[name] = serializer().loads(b64decode(signing.Signer(salt=_SALT).unsign(value[_SIGNED])))
        else:
            plain[name] = value
    if serializer is not JSONSerializer and _writes_json(serializer):
        # ASCII, because Django's serializers read latin-1.
        plain = serializer().loads(json.dumps(plain).encode("utf-8"))
    return {name: plain[name] if name in plain else signed[name] for name in stored}


def _sign(serializer: Any, value: Any) -> str:
    return signing.Signer(salt=_SALT).sign(b64encode(serializer().dumps(value)).decode("ascii"))


def name_of(name: Any) -> str:
    """Return a key as JSON stores it: ``session[1]`` is stored as ``"1"``."""
    return str(name if isinstance(name, str) else next(iter(json.loads(json.dumps({name: None})))))


def stored_name(name: Any) -> str:
    """Return a key as it is stored.

    Raises:
        TypeError: JSON has no keys of this type.
        ValueError: not every database can store it.
    """
    text = name_of(name)
    if not _survives(text):
        raise ValueError(f"A session key cannot contain NUL or lone surrogates: {text!r}.")
    return text


def _survives(value: Any) -> bool:
    """Whether every database returns ``value`` unchanged."""
    if isinstance(value, str):
        return is_storable(value)
    if isinstance(value, bool | int) or value is None:
        return True
    if isinstance(value, float):
        return math.isfinite(value) and "e" not in repr(value) and repr(value) != "-0.0"
    if isinstance(value, list | tuple):
        return all(map(_survives, value))
    if isinstance(value, dict):
        return _object_survives(value)
    return False


def _object_survives(value: dict[Any, Any]) -> bool:
    # The order of jsonb and MySQL: by length in bytes, then by bytes. The names of the wrappers are reserved.
    if not all(isinstance(name, str) and _survives(name) for name in value):
        return False
    if _JSON in value or _SIGNED in value:
        return False
    names = [name.encode("utf-8") for name in value]
    return names == sorted(names, key=lambda name: (len(name), name)) and all(map(_survives, value.values()))


def _serializer() -> Any:
    return _load(settings.SESSION_SERIALIZER)


@lru_cache(maxsize=8)
def _load(path: str) -> Any:
    return import_string(path)


@lru_cache(maxsize=8)
def _writes_json(serializer: Any) -> bool:
    if serializer is JSONSerializer:
        return True
    probe = {"probe": [1, "x"]}
    try:
        return bool(json.loads(serializer().dumps(probe)) == probe)
    except (ValueError, TypeError):
        return False


def user_model() -> Any:
    """Return the user model, or None if ``AUTH_USER_MODEL`` is invalid."""
    try:
        return get_user_model()
    except ImproperlyConfigured:
        return None


def fit() -> bool:
    """Whether our columns can hold the primary keys of the user model."""
    model = user_model()
    return model is not None and _fit(model)


def held(user_id: Any) -> Any:
    """Return a user's primary key, or None if our columns cannot hold it."""
    return user_id if user_id is not None and fit() else None


@lru_cache(maxsize=8)
def _fit(model: Any) -> bool:
    from sessionkeeper.models import Session  # once the application registry is ready

    key, column = plain_field(model._meta.pk), plain_field(Session._meta.get_field("user"))
    return key is column or key.get_internal_type() == column.get_internal_type()


def plain_field(field: Any) -> Any:
    """Return the field that holds the values of a key: the parent's, for a model that inherits it."""
    while field.is_relation:
        field = field.target_field
    return field


def json_key(pk: Any) -> int | str | None:
    """Return a primary key for JSON: a number, or the text of anything else."""
    return pk if pk is None or isinstance(pk, int) else str(pk)


def as_text(value: Any, expression: Any = None, connection: Any = None) -> str:
    """Return JSON as text, not decoded."""
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")


def as_bytes(value: Any, expression: Any = None, connection: Any = None) -> bytes | None:
    """Return the bytes in a memoryview, which some drivers return."""
    return value if value is None or isinstance(value, bytes) else bytes(value)
