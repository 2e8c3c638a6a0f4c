"""The examples work: HTMX's requests through Django, Next.js's server code with Node and the demo."""

from __future__ import annotations

import runpy
import shutil
import subprocess

import pytest
from django.test import Client
from django.urls import include, path

from tests.demo_server import ALICE, ROOT, Visitor, running_demo
from tests.pages import recipes

EXAMPLES = ROOT / "examples"
VIEWS = runpy.run_path(str(EXAMPLES / "htmx/views.py"), run_name=__name__)
HTMX = {"hx-request": "true", "hx-current-url": "http://testserver/notes/"}

urlpatterns = [
    path("auth/", include("sessionkeeper.pages.urls")),
    *(
        path(f"notes/{route}", VIEWS[view])
        for route, view in (("", "page"), ("count/", "count"), ("clear/", "clear"))
    ),
]


@pytest.fixture
def htmx(settings):
    """The example's templates, and our pages to sign in."""
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_URL = "sessionkeeper-pages:login"
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [EXAMPLES / "htmx/templates"]}]


def test_the_page_shows_the_examples():
    """Write it anew with ``python -m tests.pages.recipes``."""
    assert recipes.PAGE.read_text() == recipes.page()
    assert recipes.BLOCK.findall(recipes.PAGE.read_text()) == [
        (name, "python" if name.endswith(".py") else "js") for name in recipes.EXAMPLES
    ]


@pytest.mark.django_db
@pytest.mark.usefixtures("htmx")
def test_a_fragment_is_shown_to_its_user_and_leads_others_to_the_sign_in(make_user):
    client = Client(headers=HTMX)
    answer = client.get("/notes/count/")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer["HX-Redirect"] == "/auth/login/?next=%2Fnotes%2F"
    client.force_login(make_user())
    assert client.get("/notes/count/").content == b"0 notes\n"
    assert b"hx-get" in client.get("/notes/").content
    assert client.post("/notes/clear/").content == b"0 notes\n"


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
def test_a_server_of_next_knows_who_the_visitor_is(tmp_path):
    code = f"""
import {{ getSession }} from "{EXAMPLES}/nextjs/session.js";
const session = await getSession(process.argv[1], process.argv[2]);
console.log(session ? session.user.username : "nobody");
"""
    with running_demo(tmp_path) as site:
        visitor = Visitor(site)
        assert visitor.send_json("POST", "/api/auth/login/", ALICE).status == 200
        key = f"sessionid={visitor.cookies['sessionid'].value}"
        for cookie, user in ((key, "alice"), ("sessionid=x", "nobody")):
            command = ["node", "--input-type=module", "-e", code, cookie, f"{site.url}/api/auth/"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (0, f"{user}\n"), done.stderr
