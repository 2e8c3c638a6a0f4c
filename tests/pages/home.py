"""Write the pages of the documentation that are files of the repository, or a part of one.

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
#: Pages of which a part is a section of the README: between these comments, from this heading.
SECTIONS = {"start/install.md": "Add it to a project"}
PLACE = re.compile(r"(?<=<!-- from the README -->\n).*?(?=<!-- end -->)", re.DOTALL)
LINK = re.compile(r"(!?)\[([^][]*)\]\(([^)\s]+)\)")


def page(name: str) -> str:
    """Return a page, with the README in it as it is now."""
    if name in PAGES:
        return moved_to(name, (ROOT / PAGES[name]).read_text())
    section = (ROOT / "README.md").read_text().partition(f"\n## {SECTIONS[name]}\n")[2].partition("\n## ")[0]
    return PLACE.sub(lambda _: moved_to(name, section) + "\n", (DOCS / name).read_text())


def moved_to(name: str, text: str) -> str:
    """Return a text with links as they are from the page's place in the documentation."""
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

    return LINK.sub(moved, text)


if __name__ == "__main__":
    for name in (*PAGES, *SECTIONS):
        (DOCS / name).write_text(page(name))
