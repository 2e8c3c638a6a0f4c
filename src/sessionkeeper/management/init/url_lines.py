"""The lines that a project's URL configuration needs."""

from __future__ import annotations

import ast

from django.urls import reverse

from sessionkeeper.management.init.plan import Plan
from sessionkeeper.management.init.project import API, PAGES, Project
from sessionkeeper.management.init.sources import Edit, NotSimple, Sequences, Source

_ROUTES = (
    (PAGES, "sessionkeeper.pages.urls", ("auth/", "sessionkeeper/"), "pages to sign in, devices, passwords"),
    (API, "sessionkeeper.api.urls", ("api/auth/", "api/sessionkeeper/"), "the same for programs"),
)


def plan(project: Project, to: Plan) -> None:
    """Add the routes that are missing."""
    missing = [
        (module, _free(project, prefixes), reason)
        for namespace, module, prefixes, reason in _ROUTES
        if namespace not in project.namespaces and (namespace == PAGES or project.uses_api)
    ]
    if not missing:
        return
    try:
        source = project.urls_file
        routes = _routes(source)
        to.edits += _import(source)
        to.edits += [_route(source, routes, *one) for one in missing]
    except NotSimple as error:
        for module, prefix, _ in missing:
            to.by_hand.append(f"Put path('{prefix}', include('{module}')) first into urlpatterns ({error}).")


def devices_page(project: Project) -> str:
    """Return the path of the devices page, as it is or will be."""
    if PAGES in project.namespaces:
        return reverse(f"{PAGES}:sessions")
    return f"/{_free(project, _ROUTES[0][2])}sessions/"


def _free(project: Project, prefixes: tuple[str, ...]) -> str:
    """Return the first of the prefixes that no route of the project has."""
    taken = project.prefixes
    return next((one for one in prefixes if not any(other.startswith(one) for other in taken)), prefixes[-1])


def _routes(source: Source) -> Sequences:
    """Return the list of routes.

    Raises:
        NotSimple: there is none that is written out, or it is empty.
    """
    for value in source.assignments("urlpatterns"):
        if isinstance(value, Sequences) and value.elts:
            return value
    raise NotSimple(f"urlpatterns is no list in {source.path.name}")


def _route(source: Source, routes: Sequences, module: str, prefix: str, reason: str) -> Edit:
    mark = source.quote
    return source.insert_code(
        routes, f"path({mark}{prefix}{mark}, include({mark}{module}{mark})),", f"{reason}, at /{prefix}"
    )


def _import(source: Source) -> list[Edit]:
    """Return the change that imports ``include`` and ``path``, unless both are."""
    statements = [
        node
        for node in source.tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "django.urls" and not node.level
    ]
    names = {alias.name: alias.asname for node in statements for alias in node.names}
    missing = [
        name for name in ("include", "path") if names.get(name, name) is not None and name not in names
    ]
    if any(names.get(name) for name in ("include", "path")):
        raise NotSimple("path or include is imported under another name")
    if not missing:
        return []
    if not statements:
        return [
            source.insert_import("from django.urls import include, path", "the routes are made with these")
        ]
    first = statements[0]
    wanted = sorted({*(_written(alias) for alias in first.names), *missing})
    return [
        source.replace_statement(
            first, f"from django.urls import {', '.join(wanted)}", "the routes are made with these"
        )
    ]


def _written(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name
