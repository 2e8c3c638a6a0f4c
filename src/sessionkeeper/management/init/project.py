"""What a project is made of: the settings in force, the routes, and the files in which they stand."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import global_settings, settings
from django.db import DatabaseError, connection
from django.urls import Resolver404, get_resolver, resolve

from sessionkeeper.management.init.sources import NotSimple, Source

PAGES, API = "sessionkeeper-pages", "sessionkeeper-api"
_NOWHERE = "/sessionkeeper-has-no-such-page/"


@dataclass
class Project:
    """The project whose settings Django has loaded.

    Attributes:
        problems: why its files cannot be changed by a program; empty if they can.
    """

    root: Path
    problems: list[str] = field(default_factory=list)

    @cached_property
    def settings_files(self) -> list[Source]:
        """The settings module, and the project's modules that it imports with ``*``."""
        name = settings.SETTINGS_MODULE
        found = list(self._with_star_imports(str(name), set()))
        if len(found) > 1 or any(_imports_settings(source) for source in found):
            names = " and ".join(self.shown(source.path) for source in found)
            self.problems.append(
                f"The settings are split ({names}), so nothing is written: change them by hand."
            )
        return found

    @cached_property
    def urls_file(self) -> Source:
        """The module that ``ROOT_URLCONF`` names.

        Raises:
            NotSimple: it is no file of the project.
        """
        return self._source(str(settings.ROOT_URLCONF))

    def _source(self, module: str) -> Source:
        path = getattr(sys.modules.get(module) or import_module(module), "__file__", None)
        if path is None or not Path(path).resolve().is_relative_to(self.root):
            raise NotSimple(f"{module} is not a file below {self.root}")
        return Source(Path(path).resolve())

    def _with_star_imports(self, module: str, seen: set[str]) -> Iterator[Source]:
        if module in seen:
            return
        seen.add(module)
        source = self._source(module)
        yield source
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                package = module if source.path.name == "__init__.py" else module.rpartition(".")[0]
                parts = package.split(".")[: len(package.split(".")) - max(0, node.level - 1)]
                name = ".".join(filter(None, [*(parts if node.level else []), node.module or ""]))
                if name in sys.modules and _is_below(self.root, sys.modules[name]):
                    yield from self._with_star_imports(name, seen)

    def shown(self, path: Path) -> str:
        """Return a path as people write it."""
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

    def has_app(self, name: str) -> bool:
        """Whether an application is installed."""
        return bool(apps.is_installed(name))

    @cached_property
    def uses_api(self) -> bool:
        """Whether Django REST Framework is there."""
        return find_spec("rest_framework") is not None

    @cached_property
    def users(self) -> str:
        """The user model, and whether it is the project's own."""
        model = str(settings.AUTH_USER_MODEL)
        return model if model == global_settings.AUTH_USER_MODEL else f"{model}, a model of the project"

    def is_set(self, name: str) -> bool:
        """Whether the project sets a setting, be it to the default."""
        given: Any = settings
        return bool(given.is_overridden(name))

    @cached_property
    def namespaces(self) -> set[str]:
        """The application namespaces of all routes."""
        return set(_namespaces(get_resolver().url_patterns))

    @cached_property
    def prefixes(self) -> set[str]:
        """What the routes of the project begin with, as far as they are written out."""
        return {str(pattern.pattern) for pattern in get_resolver().url_patterns}

    def leads_somewhere(self, path: str) -> bool:
        """Whether a path has a view of its own, other than one that takes every path, as Wagtail's does."""
        try:
            view: Any = resolve(path).func
        except Resolver404:
            return False
        try:
            return bool(resolve(_NOWHERE).func is not view)
        except Resolver404:
            return True

    def has_signed_in_users(self) -> bool:
        """Whether Django's table of sessions has rows. A database that does not answer has none."""
        database: Any = connection
        is_file = database.vendor == "sqlite" and not database.is_in_memory_db()
        is_new = is_file and not Path(database.settings_dict.get("NAME") or "").exists()
        if is_new or not self.has_app("django.contrib.sessions"):
            return False
        try:
            return bool(apps.get_model("sessions", "Session").objects.exists())
        except DatabaseError:
            return False


def _imports_settings(source: Source) -> bool:
    """Whether a file gets names from elsewhere that it does not show: ``*``, or django-split-settings."""
    stars = (node for node in ast.walk(source.tree) if isinstance(node, ast.ImportFrom))
    calls = (node.func for node in ast.walk(source.tree) if isinstance(node, ast.Call))
    return any(alias.name == "*" for node in stars for alias in node.names) or any(
        isinstance(called, ast.Name) and called.id == "include" for called in calls
    )


def _is_below(root: Path, module: Any) -> bool:
    path = getattr(module, "__file__", None)
    return path is not None and Path(path).resolve().is_relative_to(root)


def _namespaces(patterns: Any) -> Iterator[str]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield pattern.app_name or ""
            yield from _namespaces(pattern.url_patterns)
