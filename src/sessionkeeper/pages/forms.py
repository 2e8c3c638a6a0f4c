"""The forms, with the attributes that password managers need."""

from __future__ import annotations

import unicodedata
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db import models
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from sessionkeeper.auth.flows import LONGEST_PASSWORD
from sessionkeeper.core.keys import Secret


def _password(label: Any, autocomplete: str, *, focus: bool = False) -> forms.CharField:
    attributes = {"autocomplete": autocomplete, **({"autofocus": True} if focus else {})}
    return forms.CharField(
        label=label,
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs=attributes),
    )


def _name_label() -> str:
    model: Any = get_user_model()
    return capfirst(str(model._meta.get_field(model.USERNAME_FIELD).verbose_name))


def _is_email() -> bool:
    model: Any = get_user_model()
    return isinstance(model._meta.get_field(model.USERNAME_FIELD), models.EmailField)


class _NameInput(forms.TextInput):
    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        if _is_email():  # phones show the keyboard for it
            context["widget"]["type"] = "email"
        return context


class LoginForm(forms.Form):
    """Name, password, and whether to stay signed in."""

    username = forms.CharField(
        label=lazy(_name_label, str)(),
        max_length=254,
        widget=_NameInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "spellcheck": "false",
                "autofocus": True,
            }
        ),
    )
    password = _password(_("Password"), "current-password")
    remember = forms.BooleanField(label=_("Stay signed in on this device"), required=False)

    def clean_username(self) -> str:
        """Return the name normalized as Django stores it."""
        return unicodedata.normalize("NFKC", self.cleaned_data["username"])


class ReauthenticateForm(forms.Form):
    """The current password."""

    password = _password(_("Password"), "current-password", focus=True)


class _NewPassword(forms.Form):
    """A new password, entered twice."""

    def clean(self) -> dict[str, Any]:
        """Refuse two different passwords."""
        super().clean()
        given = Secret(self.cleaned_data)
        if {"new_password", "again"} <= given.value.keys() and given.value["new_password"] != given.value[
            "again"
        ]:
            self.add_error("again", _("The two new passwords are not the same."))
        return given.value


class ChangeForm(_NewPassword):
    """The current password and a new one."""

    current_password = _password(_("Current password"), "current-password", focus=True)
    new_password = _password(_("New password"), "new-password")
    again = _password(_("New password, again"), "new-password")


class ResetForm(forms.Form):
    """The address that the mail is sent to."""

    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )


class ConfirmForm(_NewPassword):
    """The new password."""

    new_password = _password(_("New password"), "new-password", focus=True)
    again = _password(_("New password, again"), "new-password")
