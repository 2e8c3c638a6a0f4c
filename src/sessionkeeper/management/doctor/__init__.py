"""``manage.py sessions doctor``: examines a deployment, and says how to fix what it finds."""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from sessionkeeper.management.doctor import deployment, http_probe, report

HELP = (
    "Check the deployment: run the system checks, ask the store, and with --url test a running site, without "
    "signing in or trying a password. Exits with 1 if there is an error."
)


def add_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument("--url", metavar="ADDRESS", help="a running site, such as https://example.org")
    parser.add_argument("--ca-file", metavar="FILE", help="certificates to trust for --url, in PEM format")
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of lines")
    parser.add_argument(
        "--fail-level",
        choices=("warning", "error"),
        default="error",
        help="the lowest level that makes the command fail (default: %(default)s)",
    )


def run(options: dict[str, Any], write: Any) -> None:
    """Write the report, and raise CommandError if a finding has the level at which the command fails."""
    findings = list(deployment.look())
    if options["url"]:
        try:
            findings += http_probe.look(http_probe.Site(options["url"], options["ca_file"]))
        except (ValueError, OSError, HTTPException) as error:
            raise CommandError(str(error)) from error
    graded = not settings.DEBUG or bool(options["url"])
    as_json = options["json"]
    for line in [report.as_json(findings, graded)] if as_json else report.lines(findings, graded):
        write(line)
    if max(finding.level for finding in findings) >= report.Level[options["fail_level"].upper()]:
        raise CommandError("The deployment has problems: see above.")
