"""What describes a setting reads its values, and says what is wrong with one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sessionkeeper.conf.table import Problem, did_you_mean, read, setting, settings_of


def number(value):
    if not isinstance(value, int):
        raise ValueError("must be a number")
    return value * 2


@dataclass(frozen=True)
class Options:
    """Two settings, and a field that is none."""

    limit: int = setting(5, number, unit="sessions", per_request=True)
    password: str = setting("secret", str, secret=True)
    other: int = 0


def test_the_keys_are_the_names_of_the_fields_in_capitals():
    assert list(settings_of(Options)) == ["LIMIT", "PASSWORD"]
    assert settings_of(Options)["LIMIT"].per_request
    assert settings_of(Options)["LIMIT"].unit == "sessions"


def test_a_value_is_read_and_a_default_is_not():
    assert read(Options, "LIMIT", 4) == 8
    assert Options().limit == 5


def test_a_secret_is_not_shown():
    assert "secret" not in repr(Options())


def test_a_wrong_value_is_told_with_its_key():
    with pytest.raises(Problem) as caught:
        read(Options, "LIMIT", "five")
    assert caught.value.message == "['LIMIT'] must be a number"


@pytest.mark.parametrize(
    ("key", "hint"), [("LIMITS", "Did you mean 'LIMIT'?"), ("x", "Known: LIMIT, PASSWORD.")]
)
def test_an_unknown_key_gets_the_one_that_was_meant(key, hint):
    with pytest.raises(Problem, match="unknown key") as caught:
        read(Options, key, 1)
    assert caught.value.hint == hint
    assert did_you_mean(5, ["LIMIT"]) == "Known: LIMIT."
