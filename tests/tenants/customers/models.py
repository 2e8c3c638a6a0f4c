"""The tenants."""

from __future__ import annotations

from django.db import models
from django_tenants.models import DomainMixin, TenantMixin


class Customer(TenantMixin):
    """A customer, who has a schema."""

    name = models.CharField(max_length=100)


class Domain(DomainMixin):
    """A host of a customer's."""
