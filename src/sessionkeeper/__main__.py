"""``python -m sessionkeeper init``, for a project that does not have sessionkeeper in its applications yet.

Afterwards ``manage.py sessions`` has all commands, ``init`` among them.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from sessionkeeper.management import init

_MODULE = re.compile(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']""")


def find_settings() -> str:
    """Return the settings module that the environment or ``manage.py`` names.

    Raises:
        CommandError: neither names one.
    """
    given = os.environ.get("DJANGO_SETTINGS_MODULE")
    manage = Path("manage.py")
    found = _MODULE.search(manage.read_text()) if not given and manage.is_file() else None
    if not given and found is None:
        raise CommandError("Run this in the folder of manage.py, or name the module with --settings.")
    return given or (found[1] if found else "")


def main() -> None:
    """Read the command line, load the project, run."""
    parser = argparse.ArgumentParser(prog="python -m sessionkeeper", allow_abbrev=False)
    verbs = parser.add_subparsers(required=True, metavar="init")
    verb = verbs.add_parser("init", help="what this project needs", description=init.HELP)
    init.add_arguments(verb)
    verb.add_argument("--settings", help="the settings module, such as mysite.settings")
    options = vars(parser.parse_args())
    try:
        os.environ["DJANGO_SETTINGS_MODULE"] = options["settings"] or find_settings()
        sys.path.insert(0, str(Path.cwd()))
        django.setup()
        init.run(options, print)
    except (CommandError, ImproperlyConfigured, ImportError, OSError) as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
