"""Where and with what a run was measured."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "django",
    "djangorestframework",
    "django-rest-knox",
    "djangorestframework-simplejwt",
    "psycopg",
    "psycopg-binary",
    "orjson",
    "redis",
    "django-sessionkeeper",
)


def describe() -> dict[str, object]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def write(path: Path, method: dict[str, Any], results: dict[str, Any]) -> None:
    """Write the results of a run as JSON, with the machine and the method, and say where."""
    path.write_text(json.dumps({"machine": describe(), "method": method, "results": results}, indent=1))
    print(f"\n{path}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as info:
            return next(
                (line.partition(":")[2].strip() for line in info if line.startswith("model name")), ""
            )
    except OSError:
        return platform.processor()
