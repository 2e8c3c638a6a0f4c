"""User models whose keys do not fit the columns that were made for the suite's own users."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class Manager(BaseUserManager):
    """Makes users."""

    def create_user(self, email, password, **fields):
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save()
        return user


class User(AbstractBaseUser):
    """What both have."""

    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    objects = Manager()
    USERNAME_FIELD = "email"

    class Meta:
        abstract = True

    def __str__(self):
        return self.email


class ByUUID(User):
    """A user whose key is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)


class ByTwo(User):
    """A user whose key is two columns."""

    pk = models.CompositePrimaryKey("country", "number")
    country = models.CharField(max_length=2, default="fr")
    number = models.IntegerField(default=7)
