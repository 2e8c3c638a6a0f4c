"""What becomes of a column's value: functions as Django's converters are, with less around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from inspect import getattr_static
from typing import Any

from django.db.models import Model, base, query_utils
from django.db.models.fields import related_descriptors
from django.db.models.signals import post_init, pre_init

from sessionkeeper.stores.database import shortcut


def as_text(value: Any, expression: Any = None, connection: Any = None) -> str:
    """Return JSON as the text that it is."""
    return value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")


def as_time(value: Any, expression: Any = None, connection: Any = None) -> datetime | None:
    """Return the time in a text; None for what is no time, as Django's converter has it."""
    try:
        return None if value is None else datetime.fromisoformat(value)
    except ValueError:
        return None


def as_bytes(value: Any, expression: Any = None, connection: Any = None) -> bytes | None:
    """Return what drivers wrap in a memoryview."""
    return value if value is None or isinstance(value, bytes) else bytes(value)


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
