"""``manage.py sessions init``: what a project's settings and URLs need, as a diff; ``--write`` writes it.

It needs neither the tables nor the application: ``python -m sessionkeeper init`` runs it in a project that
does not have sessionkeeper yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from sessionkeeper.management.init import diff, settings_lines, url_lines
from sessionkeeper.management.init.plan import Plan
from sessionkeeper.management.init.project import Project
from sessionkeeper.management.init.sources import Edit, NotSimple, apply

HELP = (
    "Print the lines that this project's settings and URLs need, with the reason of each. With --write, "
    "write them where the files are simple. A second run finds nothing to do."
)
_NEXT = """
Then create the tables and start the site:

  python manage.py migrate
  python manage.py check
  python manage.py runserver

Open {page} and sign in: the page lists this browser."""


def add_arguments(parser: Any) -> None:
    """Declare the options. The system checks do not run: they would find what is missing."""
    parser.add_argument("--write", action="store_true", help="change the files instead of printing only")
    parser.set_defaults(skip_checks=True)


def run(options: dict[str, Any], show: Callable[[str], None]) -> None:
    """Print or write the changes.

    Raises:
        CommandError: with ``--write``, something is left to be changed by hand.
    """
    project, plan = Project(Path.cwd().resolve()), Plan()
    try:
        settings_lines.plan(project, plan)
        url_lines.plan(project, plan)
    except NotSimple as error:
        raise CommandError(f"The settings cannot be read: {error}.") from error
    for line in _about(project):
        show(line)
    files = _by_file(plan.edits)
    may_write = options["write"] and not project.problems
    for path, edits in files.items():
        _change(project, path, edits, show, write=may_write)
    for title, sentences in (
        ("Left as it is:", plan.left),
        ("To be changed by hand:", plan.by_hand),
        ("Not written:", project.problems if files else []),
    ):
        if sentences:
            show("\n".join(["", title, *(f"* {sentence}" for sentence in sentences)]))
    if not files and not plan.by_hand:
        show("\nNothing to change: the settings and URLs have all lines.")
        return
    if options["write"] and (plan.by_hand or project.problems):
        raise CommandError("Some lines are left to you: see above.")
    if not options["write"] and not project.problems:
        show("\nNothing was written. --write makes these changes.")
    show(_NEXT.format(page=f"http://127.0.0.1:8000{url_lines.devices_page(project)}"))


def _about(project: Project) -> Iterator[str]:
    """Yield what was found, a line each."""
    found = {
        "django-allauth": "allauth",
        "Wagtail": "wagtail",
        "Django REST Framework": "rest_framework",
    }
    names = [name for name, app in found.items() if project.has_app(app)]
    files = ", ".join(project.shown(source.path) for source in project.settings_files)
    yield f"Settings: {files}"
    yield f"Users: {project.users}"
    yield f"Found: {', '.join(names) or 'Django alone'}"
    yield ""


def _by_file(edits: list[Edit]) -> dict[Path, list[Edit]]:
    files: dict[Path, list[Edit]] = {}
    for edit in edits:
        files.setdefault(edit.path, []).append(edit)
    return files


def _change(
    project: Project, path: Path, edits: list[Edit], show: Callable[[str], None], *, write: bool
) -> None:
    """Print the diff of a file, and write the file."""
    data = path.read_bytes()
    for line in diff.lines(project.shown(path), data, edits):
        show(line)
    if write:
        changed = apply(data, edits)
        compile(changed, path, "exec")
        path.write_bytes(changed)
        show(f"Written: {project.shown(path)}")
