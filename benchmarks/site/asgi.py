"""The measured site for an ASGI server, with a watchdog of the event loop at ``/loop/``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from django.core.asgi import get_asgi_application

#: Seconds from one look of the watchdog to the next.
INTERVAL = 0.005
_site = get_asgi_application()
_late: list[float] = []
_tasks: list[asyncio.Task[None]] = []


async def _watch() -> None:
    """Note how late the loop is each time: for so long nothing else could run."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + INTERVAL
        await asyncio.sleep(INTERVAL)
        _late.append(loop.time() - due)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Tell at ``/loop/`` what the watchdog has noted since it was last asked; the site answers the rest."""
    if scope["type"] == "http" and scope["path"] == "/loop/":
        if not _tasks:
            _tasks.append(asyncio.get_running_loop().create_task(_watch()))
        late = sorted(_late)
        _late.clear()
        told = {"median": late[len(late) // 2], "longest": late[-1]} if late else {}
        start = {"type": "http.response.start", "status": 200, "headers": []}
        await send(start)
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})
    else:
        await _site(scope, receive, send)
