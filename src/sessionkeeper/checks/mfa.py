"""Whether the functions that know of second factors can be called, and which there are."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks
from django.utils.module_loading import import_string

from sessionkeeper.auth import flows
from sessionkeeper.core.check_ids import CheckId


def check_second_factor() -> Iterator[checks.CheckMessage]:
    """Report a function that cannot be imported; otherwise say that second factors are asked for."""
    paths = flows.second_factors()
    for path in paths:
        try:
            works = callable(import_string(path))
        except ImportError:
            works = False
        if not works:
            yield checks.Error(
                f"{path}, which tells whether a user has a second factor, cannot be imported. Every sign-in "
                "with a password fails.",
                hint="Correct SESSIONKEEPER['SECOND_FACTOR'], or install the package that it names.",
                id=CheckId.SECOND_FACTOR_MISSING,
            )
            return
    if paths:
        yield checks.Info(
            f"Users with a second factor, according to {' and '.join(paths)}, cannot sign in with a password "
            "alone: sessionkeeper's login, tokens and reauthentication answer second_factor_required.",
            hint="Ask for the second factor in a view of your own and call flows.complete_log_in(), or use "
            "the login of the package that manages it. Then silence this check.",
            id=CheckId.SECOND_FACTOR_ASKED,
        )
