"""The verb: options, what to look at, the exit code."""

from __future__ import annotations

from http.client import HTTPException
from typing import Any

from django.core.management.base import CommandError

from sessionkeeper.management.doctor import deployment, http_probe, report

HELP = (
    "Look the deployment over. Runs the system checks, asks the store, and with --url a running site, which "
    "is asked as a stranger: nobody is signed in and no password is tried. Exits with 1 when it fails."
)


def add_arguments(parser: Any) -> None:
    """Declare the options."""
    parser.add_argument(
        "--url", metavar="ADDRESS", help="a running site to look at, such as https://example.org"
    )
    parser.add_argument("--ca-file", metavar="FILE", help="certificates to trust for --url, in PEM")
    parser.add_argument("--json", action="store_true", help="a JSON object instead of lines")
    parser.add_argument(
        "--fail-level",
        choices=("warning", "error"),
        default="error",
        help="the least that makes the command fail (default: %(default)s)",
    )


def run(options: dict[str, Any], write: Any) -> None:
    """Look, write the report, and raise CommandError when it is bad enough."""
    findings = list(deployment.look())
    if options["url"]:
        try:
            findings += http_probe.look(http_probe.Site(options["url"], options["ca_file"]))
        except (ValueError, OSError, HTTPException) as error:
            raise CommandError(str(error)) from error
    for line in [report.as_json(findings)] if options["json"] else report.lines(findings):
        write(line)
    worst = max((finding.level for finding in findings), default=report.Level.OK)
    if worst >= report.Level[options["fail_level"].upper()]:
        raise CommandError("The deployment has problems: see above.")
