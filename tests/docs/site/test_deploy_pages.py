"""The pages on deployment: their files can be read, their settings exist, and their views do what is said."""

from __future__ import annotations

import ast
import re

import pytest
import yaml
from django.test import Client
from django.urls import path

from sessionkeeper import sessions
from sessionkeeper.conf import Settings, table
from tests.demo_server import ROOT

DOCS = ROOT / "docs"
PAGES = {page.stem: page.read_text() for page in sorted((DOCS / "deploy").glob("*.md"))}
NAMES = set(table.settings_of(Settings))


def blocks(text, language):
    """The blocks of a page in this language, without indentation of lists."""
    found = re.findall(rf"^( *)```{language}[^\n]*\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


GIVEN = {"__name__": __name__}
for code in blocks(PAGES["kubernetes"], "python"):
    exec(code, GIVEN)

urlpatterns = [path("healthz", GIVEN["healthz"]), path("metrics", GIVEN["store_metrics"])]


@pytest.mark.parametrize("name", PAGES)
def test_each_manifest_can_be_read(name):
    for block in blocks(PAGES[name], "yaml"):
        assert yaml.safe_load(block)


def test_the_compose_file_starts_what_it_names():
    services = yaml.safe_load(blocks(PAGES["docker"], "yaml")[0])["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    assert services["migrate"]["environment"] == services["web"]["environment"]


@pytest.mark.django_db
@pytest.mark.urls(__name__)
def test_the_probe_costs_no_query(make_user, django_assert_num_queries):
    client = Client()
    client.force_login(make_user())
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"
        assert client.get("/metrics").json()["open"] is False


def every_python_block():
    """Each block of Python in the documentation, with its page."""
    for page in sorted(DOCS.rglob("*.md")):
        if page.parent.name != "decisions":
            for number, block in enumerate(blocks(page.read_text(), "python")):
                yield pytest.param(block, id=f"{page.relative_to(DOCS)}-{number}")


@pytest.mark.parametrize("block", list(every_python_block()))
def test_the_settings_in_a_block_are_settings(block):
    try:
        tree = ast.parse(block)
    except SyntaxError:
        return  # a part of something, such as an item of a list or a signature
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "SESSIONKEEPER":
            named = {key.value for key in getattr(node.value, "keys", []) if isinstance(key, ast.Constant)}
            assert named <= NAMES


def test_a_proxy_that_is_named_is_believed(rf, settings):

    [first, *_] = blocks(PAGES["proxy"], "python")
    given = {}
    exec(first, given)
    settings.SESSIONKEEPER = given["SESSIONKEEPER"]
    settings.SECURE_PROXY_SSL_HEADER = given["SECURE_PROXY_SSL_HEADER"]
    request = rf.get("/", headers={"x-forwarded-for": "192.0.2.77", "x-forwarded-proto": "https"})
    assert sessions.client_address(request) == "192.0.2.77"
    assert request.is_secure()
