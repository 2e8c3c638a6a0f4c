"""A new project for each test, copied from one that Django has made."""

from __future__ import annotations

import sys

import pytest

from tests.unit.management.init import trees


@pytest.fixture(scope="session")
def stock(tmp_path_factory):
    """A project as `django-admin startproject` makes it."""
    command = (sys.executable, "-m", "django", "startproject", "mysite", ".")
    return trees.Tree(trees.made(tmp_path_factory.mktemp("stock") / "site", *command))


@pytest.fixture
def tree(stock, tmp_path):
    """A copy of it."""
    return stock.copy(tmp_path / "site")
