"""The page on existing projects tells the truth: it is followed on a new one where people are signed in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from sessionkeeper.core import keys
from tests.demo_server import ROOT, Site, Visitor, follow, free_port

PAGE = (ROOT / "docs/howto/existing-project.md").read_text()
PASSWORD = "correct horse battery staple"
NAMES = ("ada", "bob", "cleo", "dan", "eve")
MAKE_PEOPLE = f"""
from django.contrib.auth import get_user_model
for name in {NAMES}:
    get_user_model().objects.create_superuser(name, password="{PASSWORD}")
"""
DISABLE_EVE = """
from django.contrib.auth import get_user_model
print(get_user_model().objects.filter(username="eve").update(is_active=False))
"""
AT_THE_END = """
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session as Old
from sessionkeeper.models import AuditEvent, Session
adopted = AuditEvent.objects.filter(kind="adopted").values_list("user", flat=True)
names = dict(get_user_model().objects.values_list("pk", "username"))
print(sorted(names[int(pk)] for pk in adopted), Old.objects.count(), Session.objects.count())
"""


class Project:
    """A project of `django-admin startproject`."""

    def __init__(self, folder):
        theirs = ("DJANGO_", "DATABASE_URL", "PYTHONWARNINGS")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        self.env |= {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error"}
        self.folder = folder
        self.run("-m", "django", "startproject", "mysite", ".")

    def run(self, *arguments):
        """Run Python with these arguments, which must succeed; return what it printed."""
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def shell(self, code):
        """Run code in the project; return its last line."""
        return self.run("manage.py", "shell", "-c", code).splitlines()[-1]

    @contextmanager
    def served(self):
        """Serve the project until the block ends."""
        site = Site(free_port(), self.env)
        process = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{site.port}"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        ready = threading.Event()
        reader = threading.Thread(target=follow, args=(process, site.log, ready))
        reader.start()
        try:
            assert ready.wait(timeout=120), "the site did not start in two minutes"
            assert process.poll() is None, "".join(site.log)
            yield site
        finally:
            process.terminate()
            process.wait()
            reader.join()
            process.stdout.close()

    def follow_the_page(self):
        """Put its Python into the settings, and run its commands, in their order."""
        for language, block in re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL):
            lines = re.sub("^ {4}", "", block, flags=re.MULTILINE)
            if language == "python":
                with (self.folder / "mysite/settings.py").open("a") as settings:
                    settings.write(lines)
            else:
                for line in lines.split("\n"):
                    name, *arguments = line.split() or [None]
                    if name is not None:
                        assert name == "python"
                        assert "issues (" not in self.run(*arguments).replace("no issues (", "")


def sign_in(site, name):
    """Sign in at the admin, with the token that its form holds."""
    visitor = Visitor(site)
    form = re.search(r'csrfmiddlewaretoken" value="(\w+)"', visitor.get("/admin/login/").text)[1]
    body = f"csrfmiddlewaretoken={form}&username={name}&password={PASSWORD.replace(' ', '+')}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.send("POST", "/admin/login/?next=/admin/", body, headers).status == 302
    return visitor


def comes_back(visitor, site):
    """The same browser, with its cookies, at the site as it is served now."""
    other = Visitor(site)
    other.cookies = dict(visitor.cookies)
    return other


def key_of(visitor):
    """What the session cookie holds."""
    return visitor.cookies["sessionid"].value


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A stock project with people in it."""
    project = Project(tmp_path_factory.mktemp("existing"))
    project.run("manage.py", "migrate", "--verbosity", "0")
    project.run("manage.py", "shell", "-c", MAKE_PEOPLE)
    return project


@pytest.mark.promise("P-20")
def test_who_was_signed_in_before_stays_signed_in_after(project):
    with project.served() as site:
        people = {name: sign_in(site, name) for name in NAMES}
        assert all(people[name].get("/admin/").status == 200 for name in NAMES)
    project.shell(DISABLE_EVE)
    project.follow_the_page()
    with project.served() as site:
        one, other = comes_back(people["ada"], site), comes_back(people["bob"], site)
        for visitor, name in ((one, "ada"), (other, "bob")):
            old = key_of(visitor)
            page = visitor.get("/admin/")
            assert (page.status, f"<strong>{name}</strong>" in page.text) == (200, True)
            assert key_of(visitor) != old
            assert keys.parse(key_of(visitor)) is not None
            assert visitor.get("/admin/").status == 200
        assert comes_back(people["eve"], site).get("/admin/").status == 302  # disabled meanwhile

        tabs = [comes_back(people["cleo"], site) for _ in range(6)]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda tab: tab.get("/admin/").status, tabs))
        assert answers == [200] * 6
        assert len({key_of(tab) for tab in tabs}) == 1
    assert project.shell(AT_THE_END) == "['ada', 'bob', 'cleo'] 2 3"
