"""The mixin has every function of the module, in Django's ``TestCase`` too."""

from __future__ import annotations

from inspect import isfunction

from django.contrib.auth import get_user_model
from django.test import TestCase

from sessionkeeper import testing
from tests.conftest import new_user


def test_the_mixin_has_all_functions():
    functions = {name for name in testing.__all__ if isfunction(getattr(testing, name))}
    assert functions
    assert {name for name in vars(testing.SessionTestMixin) if not name.startswith("_")} == functions
    for name in functions:
        assert getattr(testing.SessionTestMixin(), name) is getattr(testing, name)


class InATestCase(testing.SessionTestMixin, TestCase):
    """What a project writes."""

    @classmethod
    def setUpTestData(cls):
        cls.person = new_user()

    def test_both_devices_end_with_the_user(self):
        first = self.sign_in(self.person)
        second = self.second_device(first, transport="bearer")
        with self.captureOnCommitCallbacks(execute=True):  # Valkey follows the commit
            get_user_model().objects.get(pk=self.person.pk).delete()
        self.assert_session_ended(first)
        self.assert_session_ended(second)

    def test_an_expired_session_signs_nobody_in(self):
        client = self.sign_in(self.person)
        self.assert_signed_in(client, self.person)
        self.travel_past_absolute_timeout(client)
        self.assert_session_ended(client)
