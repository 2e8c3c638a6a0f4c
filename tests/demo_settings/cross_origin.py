"""The demo as an API for apps on other hosts, with the settings that docs/howto/cross-origin.md shows."""

from __future__ import annotations

import os
import re

from tests.demo_server import ROOT
from tests.demo_settings import *  # noqa: F403

PORT, SCHEME = os.environ["TEST_APP_PORT"], os.environ.get("TEST_APP_SCHEME", "http")
#: The last one is another site. It is listed to show that the cookies stay away from it all the same.
HOSTS = ("app.example.test", "app.demo.localhost", "elsewhere.test")
APPS = [f"{SCHEME}://{host}:{PORT}" for host in HOSTS]

if SCHEME == "https":  # behind a server that ends TLS, as in demo/demo/production.py
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_NAME, SESSION_COOKIE_SECURE = "__Host-sessionid", True
    CSRF_COOKIE_NAME, CSRF_COOKIE_SECURE = "__Host-csrftoken", True

shown = re.search(r"```python\n(.*?)```", (ROOT / "docs/howto/cross-origin.md").read_text(), re.DOTALL)[1]
exec(shown.replace('["https://app.example.com"]', repr(APPS)))
