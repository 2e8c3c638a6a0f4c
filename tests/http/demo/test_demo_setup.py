"""Setting the demo up, and its settings for a site on the internet."""

from __future__ import annotations

import pytest

from tests.demo_server import demo_environment, fresh_database, run_manage

SHELL = """
from django.test import Client
answer = Client().get("/login/")
print(answer.status_code, answer.headers.get("Location"))
answer = Client().get("/login/", secure=True)
print(answer.status_code, answer.headers["Strict-Transport-Security"], answer.cookies.output())
"""


@pytest.fixture
def env(tmp_path):
    """The environment of a demo that was not set up yet."""
    with fresh_database(tmp_path) as url:
        yield {**demo_environment(url, "tests.demo_settings"), "PORT": "8123"}


def test_a_second_setup_changes_nothing(env):
    count = (
        "from notes.models import Note; from django.contrib.auth.models import User;"
        "print(Note.objects.count(), *User.objects.order_by('id').values_list('username', 'is_staff'))"
    )
    first = run_manage(env, "demo_setup")
    assert first.returncode == 0, first.stderr
    assert "http://127.0.0.1:8123/" in first.stdout
    before = run_manage(env, "shell", "--no-imports", "-c", count)
    assert before.stdout == "2 ('alice', False) ('admin', True)\n"
    assert run_manage(env, "demo_setup").stdout == first.stdout
    assert run_manage(env, "shell", "--no-imports", "-c", count).stdout == before.stdout


def test_the_demo_lacks_no_migration_and_passes_its_own_checks(env):
    done = run_manage(env, "makemigrations", "--check", "--dry-run")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run_manage(env, "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def test_a_database_that_does_not_answer_is_a_sentence(env):
    env["DATABASE_URL"] = "sqlite:////no/such/folder/demo.sqlite3"
    done = run_manage(env, "demo_setup")
    assert done.returncode == 1
    assert "The database cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_does_not_exist_is_named_before_anything_is_made(env):
    done = run_manage({**env, "SESSIONKEEPER_STORE": "nonsense:"}, "demo_setup")
    assert done.returncode == 1
    assert "sessionkeeper.E001" in done.stderr
    assert done.stdout == ""


@pytest.fixture
def production(env):
    """The environment of the demo with its settings for the internet."""
    return {
        **env,
        "DJANGO_SETTINGS_MODULE": "demo.production",
        "DJANGO_SECRET_KEY": "W7-fEd0mV2qkXc9sTz4LbNyR8uHgJ1oPaQ6iKvM3xCwSeDrF5t",
        "DJANGO_ALLOWED_HOSTS": "testserver",
    }


def test_the_production_settings_pass_the_deployment_checks(production):
    done = run_manage(production, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def test_production_makes_no_users_with_published_passwords(production):
    done = run_manage(production, "demo_setup")
    assert done.returncode == 1
    assert "published passwords" in done.stderr


def test_production_speaks_https_only_with_host_bound_cookies(production):
    done = run_manage(production, "shell", "--no-imports", "-c", SHELL)
    assert done.returncode == 0, done.stderr
    plain, secure = done.stdout.splitlines()
    assert plain == "301 https://testserver/login/"
    assert "max-age=31536000; includeSubDomains" in secure
    assert "__Host-csrftoken=" in secure
    assert "Secure" in secure
