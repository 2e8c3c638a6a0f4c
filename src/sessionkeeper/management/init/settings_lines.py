"""The lines that a project's settings need, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from sessionkeeper.management.init import rest_framework_lines
from sessionkeeper.management.init.plan import Plan, home_of, set_line
from sessionkeeper.management.init.project import PAGES, Project
from sessionkeeper.management.init.sources import Edit, NotSimple, Source, only_list, values

ENGINE = "sessionkeeper.engine"
DJANGO_BACKEND = "django.contrib.auth.backends.ModelBackend"
OUR_BACKENDS = ("sessionkeeper.backends.ModelBackend", "sessionkeeper.backends.LockoutBackend")
_MIDDLEWARE = (
    (
        "django.contrib.sessions.middleware.SessionMiddleware",
        "sessionkeeper.middleware.SessionMiddleware",
        "an outage of the store is answered with 503, and signs nobody out",
    ),
    (
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "sessionkeeper.middleware.AuthenticationMiddleware",
        "session and user in one query",
    ),
)
_FETCH_METADATA = "sessionkeeper.csrf.FetchMetadataMiddleware"
_CSRF = "django.middleware.csrf.CsrfViewMiddleware"
_ADOPTABLE = ("django.contrib.sessions.backends.db", "django.contrib.sessions.backends.cached_db")


def plan(project: Project, to: Plan) -> None:
    """Add what the settings need."""
    files = project.settings_files
    _applications(project, files, to)
    _middleware(files, to)
    _engine(project, files, to)
    _backends(project, files, to)
    _csrf_failure(project, files, to)
    _login(project, files, to)
    if project.uses_api:
        rest_framework_lines.plan(files, to)


def _applications(project: Project, files: list[Source], to: Plan) -> None:
    missing, reasons = [], []
    if not project.has_app("sessionkeeper"):
        missing.append("sessionkeeper")
        reasons.append("the tables, pages, checks and commands")
    if project.uses_api and not project.has_app("rest_framework"):
        missing.append("rest_framework")
        reasons.append("the API; djangorestframework is installed")
    if not missing:
        return

    def edit() -> Edit:
        source, node, _ = only_list(files, "django.contrib.auth")
        return source.insert(node, 0, missing, "; ".join(reasons))

    names = " and ".join(repr(name) for name in missing)
    to.add(f"Put {names} before 'django.contrib.sessions' into INSTALLED_APPS", edit)


def _middleware(files: list[Source], to: Plan) -> None:
    listed = list(settings.MIDDLEWARE)
    for theirs, ours, reason in _MIDDLEWARE:
        if theirs in listed:

            def replace(theirs: str = theirs, ours: str = ours, reason: str = reason) -> Edit:
                source, node, number = only_list(files, theirs)
                return source.replace(node.elts[number], ours, reason)

            to.add(f"Replace {theirs!r} in MIDDLEWARE with {ours!r}", replace)
        elif ours not in listed:
            to.left.append(f"MIDDLEWARE has neither {theirs!r} nor ours: put {ours!r} in the place of yours.")
    if _FETCH_METADATA in listed or _CSRF not in listed:
        return

    def insert() -> Edit:
        source, node, number = only_list(files, _CSRF)
        return source.insert(
            node, number, [_FETCH_METADATA], "the site's own pages need no CSRF token, everybody else does"
        )

    to.add(f"Put {_FETCH_METADATA!r} before {_CSRF!r} into MIDDLEWARE", insert)


def _engine(project: Project, files: list[Source], to: Plan) -> None:
    engine = str(settings.SESSION_ENGINE)
    if engine == ENGINE:
        return
    if not engine.startswith("django.contrib.sessions.backends."):
        to.left.append(
            f"SESSION_ENGINE is {engine!r}, which is not Django's: its SessionStore must be a subclass of "
            f"{ENGINE}.SessionStore, or be replaced by {ENGINE!r}."
        )
        return
    to.add(
        f"Set SESSION_ENGINE = {ENGINE!r}",
        lambda: set_line(files, "SESSION_ENGINE", ENGINE, "sessions are kept by sessionkeeper"),
    )
    if engine in _ADOPTABLE and project.has_signed_in_users():
        _adopt(project, files, engine, to)


def _adopt(project: Project, files: list[Source], engine: str, to: Plan) -> None:
    def edit() -> Edit:
        home = home_of(files)
        mark = home.quote
        if project.is_set("SESSIONKEEPER"):
            raise NotSimple("it is set already")
        line = f"SESSIONKEEPER = {{{mark}ADOPT{mark}: {mark}{engine}{mark}}}\n"
        return home.append(line, "users who are signed in now stay signed in")

    to.add(f"Set SESSIONKEEPER['ADOPT'] = {engine!r}", edit)


def _backends(project: Project, files: list[Source], to: Plan) -> None:
    listed = [str(path) for path in settings.AUTHENTICATION_BACKENDS]
    reason = "failed sign-ins are counted wherever users sign in"
    if listed and listed[0] in OUR_BACKENDS:
        return
    if listed and listed[0].startswith("axes."):
        to.left.append(
            "AUTHENTICATION_BACKENDS begins with django-axes, which counts failed sign-ins itself."
        )
        return

    def edit() -> Edit:
        if not project.is_set("AUTHENTICATION_BACKENDS"):
            home = home_of(files)
            mark = home.quote
            return home.append(f"AUTHENTICATION_BACKENDS = [{mark}{OUR_BACKENDS[0]}{mark}]\n", reason)
        source, node, number = only_list(files, listed[0])
        if values(node) != listed:
            raise NotSimple("the list is not written out in one place")
        if listed[0] == DJANGO_BACKEND:
            return source.replace(node.elts[number], OUR_BACKENDS[0], reason)
        return source.insert(node, 0, [OUR_BACKENDS[1]], f"{reason}; your own backends stay")

    to.add(f"Put {OUR_BACKENDS[1]!r} first into AUTHENTICATION_BACKENDS", edit)


def _csrf_failure(project: Project, files: list[Source], to: Plan) -> None:
    ours, name = "sessionkeeper.csrf.failure", "CSRF_FAILURE_VIEW"
    now: Any = settings.CSRF_FAILURE_VIEW
    if now == ours:
        return
    if project.is_set(name):
        to.left.append(f"{name} is {now!r}, your own view.")
        return
    to.add(
        f"Set {name} = {ours!r}",
        lambda: set_line(files, name, ours, "a refused request is told what is missing"),
    )


def _login(project: Project, files: list[Source], to: Plan) -> None:
    for left in _own_login(project):
        to.left.append(left)
        return
    lines: list[tuple[str, str, str]] = []
    url: Any = settings.LOGIN_URL
    after: Any = settings.LOGIN_REDIRECT_URL
    if url != f"{PAGES}:login":
        lines.append(("LOGIN_URL", f"{PAGES}:login", "our page is where visitors are sent to sign in"))
    if not project.is_set("LOGIN_REDIRECT_URL") and not project.leads_somewhere(after):
        home = project.leads_somewhere("/") or project.has_app("wagtail")
        to_page = "/" if home else f"{PAGES}:sessions"
        why = "the home page" if home else "the devices page, until the site has a home page"
        lines.append(("LOGIN_REDIRECT_URL", to_page, f"where users go after signing in: {why}"))
    for line in lines:

        def edit(line: tuple[str, str, str] = line) -> Edit:
            return set_line(files, *line)

        to.add(f"Set {line[0]} = {line[1]!r}", edit)


def _own_login(project: Project) -> Iterator[str]:
    """Yield a sentence if the project has a page of its own to sign in."""
    url: Any = settings.LOGIN_URL
    if project.is_set("LOGIN_URL"):
        if url != f"{PAGES}:login":
            yield f"LOGIN_URL is {str(url)!r}, your own page: people go on signing in there."
    elif project.leads_somewhere(url):
        owner = "allauth's page" if project.has_app("allauth") else "a page of the project"
        yield f"LOGIN_URL is Django's default, {url!r}, which is {owner}: people go on signing in there."
