"""A user model that inherits from another: its columns are in two tables."""

from __future__ import annotations

import pytest
from django.contrib import auth
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessionkeeper.engine import registry
from sessionkeeper.models import Session
from tests.uuid_user.models import Employee, Person

pytestmark = [pytest.mark.any_user, pytest.mark.django_db, pytest.mark.urls("tests.http.outage_site")]


@pytest.fixture
def employee(settings):
    """A user of the inheriting model, which is the site's."""
    settings.AUTH_USER_MODEL = "uuid_user.Employee"
    assert get_user_model() is Employee
    return Employee.objects.create_user("e@example.org", "pw", desk="7")


@pytest.fixture
def client(employee):
    """A browser in which the employee is signed in."""
    client = Client()
    client.force_login(employee)
    return client


def test_both_tables_come_with_the_session(client, employee):
    client.get("/me/")
    with CaptureQueriesContext(connection) as captured:
        response = client.get("/me/")
    assert response.text == f"you are {employee.pk}"
    assert len(captured) == 1
    user = response.wsgi_request.user
    assert isinstance(auth.get_user(response.wsgi_request), Employee)
    assert (user.desk, user.email) == ("7", "e@example.org")


def test_the_sessions_are_found_by_user(client, employee):
    assert [record.user_id for record in registry.list_for(employee)] == [employee.pk]
    assert registry.revoke_all(employee) == 1
    assert client.get("/me/").text == "you are None"


@pytest.mark.parametrize("which", ["as itself", "as its parent"])
def test_disabling_ends_the_sessions(client, employee, which):
    user = employee if which == "as itself" else Person.objects.get(pk=employee.pk)
    user.is_active = False
    user.save()
    assert not Session.objects.exists()


def test_deleting_ends_the_sessions(client, employee):
    employee.delete()
    assert not Session.objects.exists()


def test_a_half_deleted_user_is_nobody(client, employee):
    Employee.objects.filter(pk=employee.pk)._raw_delete("default")
    assert client.get("/me/").text == "you are None"
