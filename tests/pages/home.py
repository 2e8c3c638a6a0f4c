"""Write the pages of the documentation that are files of the repository: its README, its changelog.

python -m tests.pages.home
"""

from __future__ import annotations

import posixpath
import re

from tools.environment import ROOT

DOCS = ROOT / "docs"
#: Each page, and the file that it is.
PAGES = {"index.md": "README.md", "project/changelog.md": "CHANGELOG.md"}
PLACES = {source: page for page, source in PAGES.items()}
LINK = re.compile(r"(!?)\[([^][]*)\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """Return a page: the file, with links as they are from the page's place in the documentation."""
    folder = posixpath.dirname(name)

    def moved(found: re.Match[str]) -> str:
        image, text, target = found.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or not path:
            return found[0]
        place = PLACES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if place is None:  # a file that is not in the documentation
            return text
        return f"{image}[{text}]({posixpath.relpath(place, folder or '.')}{'#' if anchor else ''}{anchor})"

    return LINK.sub(moved, (ROOT / PAGES[name]).read_text())


if __name__ == "__main__":
    for name in PAGES:
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(page(name))
