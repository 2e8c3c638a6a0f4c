"""Attacks are stories: an attacker, a victim, and what the attacker ends up with."""

from __future__ import annotations

from tests.http.conftest import alice, api, either, sign_in, signed_in, transport

__all__ = ["alice", "api", "either", "sign_in", "signed_in", "transport"]
