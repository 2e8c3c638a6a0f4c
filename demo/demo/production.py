"""What a site on the internet adds to `settings.py`: HTTPS everywhere, cookies that travel on nothing else.

    DJANGO_SECRET_KEY=… DJANGO_ALLOWED_HOSTS=www.example.com DJANGO_SETTINGS_MODULE=demo.production

`manage.py check --deploy` finds nothing to say about these settings.
"""

import os

from demo.settings import *  # noqa: F403

DEBUG = False
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = os.environ["DJANGO_ALLOWED_HOSTS"].split(",")

# HTTPS only, and browsers remember it for a year.
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
# Preloading binds the whole domain for good: set SECURE_HSTS_PRELOAD when you have decided that.
SILENCED_SYSTEM_CHECKS = ["security.W021", "sessionkeeper.I005"]

# A server in front that ends TLS says so in this header. Set it only if that server always overwrites the
# header: else anybody can claim to have come by HTTPS.
if os.environ.get("DJANGO_BEHIND_PROXY") == "1":
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    # Its address: else all clients would seem to have it, and one that guesses passwords would stop them all.
    SESSIONKEEPER["TRUSTED_PROXIES"] = os.environ.get("DJANGO_PROXIES", "127.0.0.1").split(",")  # noqa: F405

# Secure: never sent over plain http. The prefix `__Host-`: browsers take the cookie only over HTTPS, for this
# host alone, so that no sibling domain can plant one.
SESSION_COOKIE_NAME = "__Host-sessionid"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_NAME = "__Host-csrftoken"
CSRF_COOKIE_SECURE = True

# The key of somebody who is signed in changes every hour, so that a stolen cookie shows.
SESSIONKEEPER = {**SESSIONKEEPER, "ROTATE_AFTER": 3600}  # noqa: F405

STATIC_ROOT = os.environ.get("DJANGO_STATIC_ROOT", str(BASE_DIR / "static"))  # noqa: F405
