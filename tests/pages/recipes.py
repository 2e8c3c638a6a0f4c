"""Put the examples into docs/howto/recipes.md; `python -m tests.pages.recipes` writes the page.

The block of code after a comment that names an example is that example.
"""

from __future__ import annotations

import re

from tools.environment import ROOT

PAGE = ROOT / "docs/howto/recipes.md"
#: In the order of the page.
EXAMPLES = (
    "htmx/views.py",
    "store.js",
    "react/useUser.js",
    "vue/useUser.js",
    "nextjs/next.config.mjs",
    "nextjs/session.js",
)
BLOCK = re.compile(r"^<!-- example: (\S+) -->\n\n```(\w+)\n.*?^```$", re.DOTALL | re.MULTILINE)


def page() -> str:
    """The page, with the examples as they are."""

    def shown(found: re.Match[str]) -> str:
        code = (ROOT / "examples" / found[1]).read_text()
        return f"<!-- example: {found[1]} -->\n\n```{found[2]}\n{code}```"

    return BLOCK.sub(shown, PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page())
