"""Instances of a model from a row, as ``Model.from_db`` makes them, without what that does for other callers.

Only for models that leave it to Django: with a ``from_db``, an ``__init__`` or a field of its own that does
more than keep a value, Django's way is taken. Receivers of ``pre_init`` and ``post_init`` hear of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from inspect import getattr_static
from typing import Any

from django.db.models import Model, base, query_utils
from django.db.models.fields import related_descriptors
from django.db.models.signals import post_init, pre_init

from sessionkeeper.stores import shortcut

_HOOKS = ("__new__", "__init__", "__setattr__")


@lru_cache(maxsize=64)
def maker(model: Any, alias: str, names: tuple[str, ...]) -> Callable[[Sequence[Any]], Any]:
    """Return a function that makes an instance of the values of these columns of database ``alias``."""

    def by_django(values: Sequence[Any]) -> Any:
        return model.from_db(alias, names, values)

    if not shortcut.take(_is_plain, shortcut.unknown, model, names):
        return by_django
    state: dict[str, Any] = {}

    def quickly(values: Sequence[Any]) -> Any:
        if not state:  # what an instance from a database knows of that, in this release of Django
            first = by_django(values)
            state.update(vars(first._state))
            return first
        pre_init.send(model, args=values, kwargs={})
        instance = model.__new__(model)
        held = vars(instance)
        held["_state"] = of_database = base.ModelState()
        vars(of_database).update(state)
        held.update(zip(names, values, strict=True))
        post_init.send(model, instance=instance)
        return instance

    def make(values: Sequence[Any]) -> Any:
        return shortcut.take(quickly, by_django, values)

    return make


def _is_plain(model: Any, names: Sequence[str]) -> bool:
    """Whether an instance is its values, and how it came about is Django's alone to say."""
    # Attributes of a model that keep a value in the instance, and nothing else on a new one.
    keepers = (query_utils.DeferredAttribute, related_descriptors.ForeignKeyDeferredAttribute)
    return (
        model.from_db.__func__ is Model.from_db.__func__  # type: ignore[attr-defined]  # a class method
        and all(getattr_static(model, hook) is getattr_static(Model, hook) for hook in _HOOKS)
        and all(type(getattr_static(model, name)) in keepers for name in names)
    )
