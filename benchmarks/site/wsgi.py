"""The measured site for a server: ``BENCH_CONFIGURATION`` and ``DATABASE_URL`` as for a worker."""

from __future__ import annotations

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
