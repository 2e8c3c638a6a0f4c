"""Run one of Django's suites by its own ``runtests.py``, and write down how each test went.

``python -m tests.upstream.suites.run SUITE DEPTH REPORT``, in a process of its own: ``DEPTH`` is ``engine``
or ``middleware``, ``REPORT`` the JSON file that is written.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from django.db import connection
from django.test.runner import DiscoverRunner

from tests.upstream import source

SETTINGS = "tests.upstream.suites.settings"
#: What replaces Django's middleware where sessionkeeper's is installed as well.
OURS = {
    "django.contrib.sessions.middleware.SessionMiddleware": ["sessionkeeper.middleware.SessionMiddleware"],
    "django.middleware.csrf.CsrfViewMiddleware": [
        "sessionkeeper.csrf.FetchMetadataMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    "django.contrib.auth.middleware.AuthenticationMiddleware": [
        "sessionkeeper.middleware.AuthenticationMiddleware"
    ],
}


class Recording(DiscoverRunner):
    """Django's runner, which also writes a report."""

    def run_suite(self, suite, **kwargs):
        """Run, and note what there was: a suite forgets its tests as it goes."""
        self._ids = sorted({test.id() for test in suite})
        return super().run_suite(suite, **kwargs)

    def suite_result(self, suite, result, **kwargs):
        """Write the report."""
        bad = {}
        for test, text in (*result.failures, *result.errors):
            bad.setdefault(getattr(test, "test_case", test).id(), text)
        for test in result.unexpectedSuccesses:
            bad.setdefault(test.id(), "It was expected to fail.")
        report = {
            "database": connection.vendor,
            "failed": bad,
            "ran": self._ids,
            "skipped": len(result.skipped),
        }
        Path(os.environ["SUITES_REPORT"]).write_text(json.dumps(report))
        return super().suite_result(suite, result, **kwargs)


def main() -> None:
    """Run it as ``runtests.py`` does from its command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("depth", choices=["engine", "middleware"])
    parser.add_argument("report")
    options = parser.parse_args()
    folder = str(source.tests_folder())
    sys.path.insert(0, folder)
    with tempfile.TemporaryDirectory(prefix="django_") as scratch:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "SUITES_REPORT": str(Path(options.report).resolve()),
            "TMPDIR": scratch,
        }
        tempfile.tempdir = scratch
        os.chdir(folder)
        import runtests  # Django's

        runtests.ALWAYS_INSTALLED_APPS.append("sessionkeeper")
        if options.depth == "middleware":
            runtests.ALWAYS_MIDDLEWARE[:] = [
                ours for name in runtests.ALWAYS_MIDDLEWARE for ours in OURS.get(name, [name])
            ]
        runtests.django_tests(
            verbosity=1,
            interactive=False,
            failfast=False,
            keepdb=False,
            reverse=False,
            test_labels=[options.suite],
            debug_sql=False,
            parallel=1,
            tags=None,
            exclude_tags=None,
            test_name_patterns=None,
            start_at=None,
            start_after=None,
            pdb=False,
            buffer=False,
            timing=False,
            shuffle=False,
        )


if __name__ == "__main__":
    main()
