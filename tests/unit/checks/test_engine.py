"""The check of ``SESSION_ENGINE``."""

import pytest
from django.core.checks import WARNING

from sessionkeeper import checks
from sessionkeeper.checks import engine
from sessionkeeper.engine.session_store import SessionStore as OurStore


class SessionStore(OurStore):
    """An engine of a project's own, built on ours."""


def found(check):
    """The messages of one check, by the last part of their ids."""
    return {message.id.partition(".")[2]: message for message in checks.guarded(check)()}


def test_an_engine_that_cannot_be_imported_is_an_error(settings):
    settings.SESSION_ENGINE = "sessionkeeper.engin"
    assert "sessionkeeper.engine" in found(engine.check_engine)["E003"].hint


@pytest.mark.parametrize("name", ["db", "cached_db", "file", "cache", "signed_cookies"])
def test_a_project_that_has_not_switched_yet_is_told_and_not_warned(settings, name):
    """The application and its tables may be deployed days before the engine."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    message = found(engine.check_engine)["I003"]
    assert message.level < WARNING
    assert "'sessionkeeper.engine'" in message.hint
    assert (name in {"cache", "signed_cookies"}) == ("Sessions are kept in" in message.msg)


def test_an_engine_built_on_ours_is_fine(settings):
    settings.SESSION_ENGINE = __name__
    assert not found(engine.check_engine)
    assert engine.is_ours()
