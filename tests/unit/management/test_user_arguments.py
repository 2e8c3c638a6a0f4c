"""Users as the command line names them."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError

from sessionkeeper.models import Session
from tests.unit.management.shell import name, run, store_for

pytestmark = pytest.mark.django_db


@pytest.mark.any_user
def test_the_list_of_one_user_takes_a_name_or_a_key(make_user):
    user, other = make_user(), make_user()
    mine = store_for(user)
    store_for(other)
    for arguments in (
        ("--user", user.get_username()),
        ("--user", str(user.pk)),
        ("--user-pk", str(user.pk)),
        (f"--user={user.pk}",),
    ):
        assert [row["id"] for row in json.loads(run("list", "--json", *arguments))] == [name(mine)]


def test_sessions_of_a_user_deleted_behind_our_back_end_by_key(make_user):
    user = make_user()
    store_for(user)
    get_user_model().objects.filter(pk=user.pk)._raw_delete("default")
    with pytest.raises(CommandError, match="--user-pk"):
        run("revoke", "--user", str(user.pk))
    assert run("revoke", "--user-pk", str(user.pk)) == "1 session ended.\n"


def test_a_name_that_is_another_users_key_is_refused(make_user):
    user = make_user()
    namesake = make_user(username=str(user.pk))
    store_for(namesake)
    with pytest.raises(CommandError, match=r"Choose one with --user-pk\."):
        run("revoke", "--user", str(user.pk))
    assert Session.objects.count() == 1
