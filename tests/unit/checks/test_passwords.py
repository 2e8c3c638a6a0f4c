"""Checks of how passwords are guarded and kept."""

from __future__ import annotations

import pytest
from django.contrib.auth.backends import ModelBackend

from sessionkeeper.checks import passwords

ARGON2 = "django.contrib.auth.hashers.Argon2PasswordHasher"
PBKDF2 = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
MD5 = "django.contrib.auth.hashers.MD5PasswordHasher"
DJANGOS = "django.contrib.auth.backends.ModelBackend"
VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]


def found(check):
    """The ids that a check reports."""
    return [one.id.partition(".")[2] for one in check()]


@pytest.mark.parametrize(
    ("backends", "ids"),
    [
        (["sessionkeeper.backends.ModelBackend"], []),
        (["sessionkeeper.backends.LockoutBackend", "django.contrib.auth.backends.RemoteUserBackend"], []),
        (["django.contrib.auth.backends.ModelBackend"], ["W070"]),
        (["django.contrib.auth.backends.RemoteUserBackend", "sessionkeeper.backends.ModelBackend"], ["W070"]),
        ([], ["W070"]),
    ],
)
def test_the_first_backend_has_to_count_guesses(settings, backends, ids):
    settings.AUTHENTICATION_BACKENDS = backends
    assert found(passwords.check_backends) == ids


class OwnBackend(ModelBackend):
    """A project's backend, which its code compares by path, as Nautobot's is."""


@pytest.mark.parametrize(
    ("backends", "ours", "others"),
    [
        ([DJANGOS], "ModelBackend", "LockoutBackend"),
        ([f"{__name__}.OwnBackend"], "LockoutBackend", "ModelBackend"),
        (["django.contrib.auth.backends.RemoteUserBackend", DJANGOS], "LockoutBackend", "ModelBackend"),
    ],
)
def test_only_djangos_own_backend_is_to_be_replaced(settings, backends, ours, others):
    settings.AUTHENTICATION_BACKENDS = backends
    [message] = passwords.check_backends()
    assert f"'sessionkeeper.backends.{ours}'" in message.hint
    assert f"sessionkeeper.backends.{others}" not in message.hint
    assert ("may limit failures itself or not" in message.msg) == (backends != [DJANGOS])


def test_a_hasher_of_the_project_is_not_judged_by_its_name(settings):
    settings.PASSWORD_HASHERS, settings.AUTH_PASSWORD_VALIDATORS = (
        ["shop.hashers.MD5PasswordHasher"],
        VALIDATORS,
    )
    assert found(passwords.check_hashers) == []


def test_without_a_lockout_nothing_has_to_count(settings):
    settings.SESSIONKEEPER = {"LOCKOUT": False}
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    assert found(passwords.check_backends) == []


@pytest.mark.parametrize(
    ("hashers", "installed", "ids"),
    [
        ([ARGON2, PBKDF2], True, []),
        ([PBKDF2, ARGON2], True, ["W072"]),
        ([PBKDF2], False, []),
        ([MD5], True, ["W071"]),
        ([MD5], False, ["W071"]),
    ],
)
def test_passwords_are_kept_as_slow_hashes(settings, monkeypatch, hashers, installed, ids):
    monkeypatch.setattr(passwords, "find_spec", lambda name: object() if installed else None)
    settings.PASSWORD_HASHERS, settings.AUTH_PASSWORD_VALIDATORS = hashers, VALIDATORS
    assert found(passwords.check_hashers) == ids


def test_any_password_at_all_is_too_few_rules(settings):
    settings.PASSWORD_HASHERS, settings.AUTH_PASSWORD_VALIDATORS = [ARGON2], []
    assert found(passwords.check_hashers) == ["W073"]
