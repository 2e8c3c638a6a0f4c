"""django-tenants' middleware with a look-up that is remembered, as busy sites have it."""

from __future__ import annotations

from django_tenants.middleware.main import TenantMainMiddleware

known = {}


class CachedTenants(TenantMainMiddleware):
    """Asks for each host once, so that no statement runs between ``set_tenant`` and the session's."""

    def get_tenant(self, domain_model, hostname):
        """Return the tenant of a host."""
        if hostname not in known:
            known[hostname] = super().get_tenant(domain_model, hostname)
        return known[hostname]
