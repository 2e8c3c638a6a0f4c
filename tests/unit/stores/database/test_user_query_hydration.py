"""Instances made of a row are what Django makes of it, and where that is not sure, Django makes them."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_init, pre_init
from django.test.utils import isolate_apps

from sessionkeeper.models import Session
from sessionkeeper.stores.database.user_query import maker


def columns_of(model):
    return tuple(field.attname for field in model._meta.concrete_fields)


def values_of(instance):
    return [getattr(instance, name) for name in columns_of(type(instance))]


@pytest.mark.parametrize("model", [ContentType, Session])  # with a foreign key, too
def test_an_instance_is_as_django_makes_it(model):
    names, values = columns_of(model), [None, *range(1, len(columns_of(model)))]
    make = maker(model, "default", names)
    for _ in range(3):  # the first one is Django's own
        made, djangos = make(values), model.from_db("default", names, values)
        assert type(made) is model
        assert made is not make(values)
        assert {**vars(made), "_state": vars(made._state)} == {
            **vars(djangos),
            "_state": vars(djangos._state),
        }
        assert made._state.db == "default"
        assert made._state.adding is False
        assert made._state is not make(values)._state


def test_a_column_that_was_not_selected_is_read_when_somebody_asks(django_assert_num_queries, db):
    row = ContentType.objects.create(app_label="one", model="two")
    names = ("id", "app_label")
    make = maker(ContentType, "default", names)
    make([row.pk, "one"])
    made = make([row.pk, "one"])
    assert made.get_deferred_fields() == {"model"}
    with django_assert_num_queries(1):
        assert made.model == "two"


def test_receivers_hear_of_each_instance():
    heard = []

    def before(sender, args, kwargs, **_):
        heard.append(("before", sender, list(args), kwargs))

    def after(sender, instance, **_):
        heard.append(("after", sender, instance.app_label))

    make = maker(ContentType, "default", columns_of(ContentType))
    make([1, "one", "two"])
    pre_init.connect(before, sender=ContentType)
    post_init.connect(after, sender=ContentType)
    try:
        make([1, "one", "two"])
    finally:
        pre_init.disconnect(before, sender=ContentType)
        post_init.disconnect(after, sender=ContentType)
    assert heard == [("before", ContentType, [1, "one", "two"], {}), ("after", ContentType, "one")]


def from_db(cls, *args, **kwargs):
    made = super(cls, cls).from_db(*args, **kwargs)
    made.is_by_the_project = True
    return made


def begin(self, *args, **kwargs):
    super(type(self), self).__init__(*args, **kwargs)
    self.is_by_the_project = True


def set_attribute(self, name, value):
    self.__dict__[name] = value
    self.__dict__["is_by_the_project"] = True


@pytest.mark.parametrize(
    "own",
    [{"from_db": classmethod(from_db)}, {"__init__": begin}, {"__setattr__": set_attribute}],
    ids=["from_db", "__init__", "__setattr__"],
)
@isolate_apps("tests")
def test_a_model_with_a_way_of_its_own_is_made_that_way(own):
    meta = type("Meta", (), {"proxy": True, "app_label": "tests"})
    model = type("Own", (ContentType,), {"__module__": __name__, "Meta": meta, **own})
    make = maker(model, "default", columns_of(model))
    for _ in range(2):
        assert make([1, "one", "two"]).is_by_the_project


@isolate_apps("tests")
def test_a_field_with_a_way_of_its_own_is_set_that_way():
    class Shouting:
        def __init__(self, field):
            self.name = field.attname

        def __get__(self, instance, owner):
            return self if instance is None else instance.__dict__[self.name]

        def __set__(self, instance, value):
            instance.__dict__[self.name] = value.upper()

    from django.db import models

    class Loud(models.CharField):
        descriptor_class = Shouting

    meta = type("Meta", (), {"app_label": "tests"})
    model = type(
        "Person", (models.Model,), {"__module__": __name__, "Meta": meta, "name": Loud(max_length=9)}
    )
    make = maker(model, "default", columns_of(model))
    for _ in range(2):
        assert make([1, "alice"]).name == "ALICE"


def test_the_usual_user_model_is_made_quickly(db):
    """Else nothing above would say anything of the request."""
    user = get_user_model().objects.create(username="alice")
    make = maker(type(user), "default", columns_of(type(user)))
    make(values_of(user))
    calls = []
    type(user).__init__, kept = lambda *args: calls.append(args), type(user).__init__
    try:
        made = make(values_of(user))
    finally:
        type(user).__init__ = kept
    assert made == user
    assert not calls
