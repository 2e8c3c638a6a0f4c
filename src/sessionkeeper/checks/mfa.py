"""What is asked for a second factor, so that nobody has to guess whether a password alone signs in."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error, Info
from django.utils.module_loading import import_string

from sessionkeeper.auth import credentials
from sessionkeeper.core.check_ids import CheckId


def check_second_factor() -> Iterator[CheckMessage]:
    """Say who is asked, and report a function that cannot be."""
    paths = credentials.second_factors()
    for path in paths:
        try:
            works = callable(import_string(path))
        except ImportError:
            works = False
        if not works:
            yield Error(
                f"{path}, which says who has a second factor, cannot be imported: every sign-in by "
                "password fails.",
                hint="Correct SESSIONKEEPER['SECOND_FACTOR'], or install what it names.",
                id=CheckId.SECOND_FACTOR_MISSING,
            )
            return
    if paths:
        yield Info(
            f"Who has a second factor, as {' and '.join(paths)} say, is not signed in by a password alone at "
            "sessionkeeper's login, tokens and reauthentication: they answer second_factor_required.",
            hint="Take the second factor in a view of your own and call flows.complete_log_in(), or use the "
            "login of the package that has it. Then silence this.",
            id=CheckId.SECOND_FACTOR_ASKED,
        )
