"""Session data as JSON text: what can be, what is signed, and what is corrupt."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import pickle
from uuid import UUID

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from hypothesis import given
from hypothesis import strategies as st

from sessionkeeper.core.errors import CorruptPayload
from sessionkeeper.stores import codec

pytestmark = [pytest.mark.any_user, pytest.mark.django_db]


def test_what_cannot_be_json_is_refused_as_django_refuses_it():
    with pytest.raises(TypeError):
        codec.encode({"a": object()})
    with pytest.raises(TypeError):
        codec.encode({"a": {"b": {1, 2}}})


def test_an_operator_can_read_simple_data():
    assert codec.encode({"_auth_user_id": "5", "cart": [1, 2]}) == '{"_auth_user_id":"5","cart":[1,2]}'


class WithDates:
    """A JSON serializer that knows dates, as projects write them."""

    def dumps(self, data):
        return json.dumps(data, cls=DjangoJSONEncoder).encode("latin-1")

    def loads(self, data):
        return json.loads(data.decode("latin-1"), object_hook=self._dates)

    def _dates(self, found):
        for name, value in found.items():
            if name.endswith("_at"):
                found[name] = dt.datetime.fromisoformat(value)
        return found


class Pickle:
    """What Django's PickleSerializer was."""

    def dumps(self, data):
        return pickle.dumps(data)

    def loads(self, data):
        return pickle.loads(data)


@pytest.mark.rule("R07")
def test_signed_output_that_was_tampered_with_is_never_loaded(settings):
    settings.SESSION_SERIALIZER = f"{__name__}.Pickle"
    text = codec.encode({"a": 1})
    stored = json.loads(text)["a"]["$signed"]
    other = ("B" if stored[0] == "A" else "A") + stored[1:]
    with pytest.raises(CorruptPayload):
        codec.decode(json.dumps({"a": {"$signed": other}}))


def test_output_signed_with_an_old_key_is_read_while_that_key_is_a_fallback(settings):
    settings.SESSION_SERIALIZER = f"{__name__}.Pickle"
    settings.SECRET_KEY = "old"
    text = codec.encode({"a": 1})
    settings.SECRET_KEY = "new"
    with pytest.raises(CorruptPayload):
        codec.decode(text)
    settings.SECRET_KEY_FALLBACKS = ["old"]
    assert codec.decode(text) == {"a": 1}


def test_signed_output_is_not_opened_when_the_serializer_is_json_again(settings):
    settings.SESSION_SERIALIZER = f"{__name__}.Pickle"
    text = codec.encode({"a": 1})
    settings.SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
    with pytest.raises(CorruptPayload):
        codec.decode(text)


@pytest.mark.rule("R07")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "1",
        "null",
        '"a"',
        "{",
        '{"a": {"$json": "{"}}',
        '{"a": {"$json": 5}}',
        '{"a": {"$signed": "x"}}',
        '{"a": {"$signed": null}}',
        "[" * 100_000,
    ],
)
@pytest.mark.parametrize(
    "serializer",
    ["django.contrib.sessions.serializers.JSONSerializer", f"{__name__}.WithDates", f"{__name__}.Pickle"],
)
def test_foreign_text_is_corrupt_and_nothing_worse(settings, text, serializer):
    settings.SESSION_SERIALIZER = serializer
    with pytest.raises(CorruptPayload):
        codec.decode(text)


@given(st.text())
def test_any_text_is_data_or_corrupt(text):
    with contextlib.suppress(CorruptPayload):
        assert isinstance(codec.decode(text), dict)


@pytest.mark.parametrize(("pk", "shown"), [(7, 7), (None, None), (UUID(int=1), str(UUID(int=1))), ("x", "x")])
def test_a_key_that_is_no_number_is_text(pk, shown):
    assert codec.json_key(pk) == shown
