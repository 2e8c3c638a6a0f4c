"""The settings of ``SESSIONKEEPER``: read, validated and typed in one place."""

from __future__ import annotations

from sessionkeeper.conf.settings import Problem, Settings, current, problems

__all__ = ["Problem", "Settings", "current", "problems"]
