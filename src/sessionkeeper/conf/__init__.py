"""The settings of ``SESSIONKEEPER``: read, validated and typed in one place."""

from __future__ import annotations

from sessionkeeper.conf.settings import Settings, current, problems
from sessionkeeper.conf.table import Problem

__all__ = ["Problem", "Settings", "current", "problems"]
