"""Files of sessions, written and read by the command."""

from __future__ import annotations

import io
import json

from django.core.management import call_command


def run(*arguments, **options):
    """Run the command; return what it printed."""
    out = io.StringIO()
    call_command("sessions", *arguments, stdout=out, stderr=out, no_color=True, **options)
    return out.getvalue()


def export(path):
    """Write an export; return its lines, parsed."""
    path.unlink(missing_ok=True)
    run("export", str(path))
    return [json.loads(line) for line in path.read_text().splitlines()]


def put(path, lines):
    """Write these lines as an export."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
