"""What the doctor says."""

from __future__ import annotations

from io import StringIO

from django.core.management import CommandError, call_command


def examine(*arguments):
    out = StringIO()
    try:
        call_command("sessions", "doctor", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), None
