"""What a release says of itself on PyPI: the addresses of the project, and a README whose links work there.

`SESSIONKEEPER_REPOSITORY` is the address of the repository and `SESSIONKEEPER_REVISION` what to link to; the
release workflow sets both. Without them links stay as they are.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#|mailto:)([^)\s]+)\)")


def absolute(text: str, repository: str, revision: str) -> str:
    """Return Markdown in which links and images that point into the repository are absolute."""

    def replace(found: re.Match[str]) -> str:
        kind = "raw" if found[1] else "blob"
        return f"{found[1]}[{found[2]}]({repository}/{kind}/{revision}/{found[3]})"

    return _LINK.sub(replace, text)


def urls(repository: str, revision: str) -> dict[str, str]:
    """Return the addresses of the project."""
    return {
        "Source": repository,
        "Documentation": f"{repository}/blob/{revision}/docs/index.md",
        "Changelog": f"{repository}/blob/{revision}/CHANGELOG.md",
        "Issues": f"{repository}/issues",
        "Security": f"{repository}/blob/{revision}/SECURITY.md",
    }


class CustomMetadataHook(MetadataHookInterface):
    """Adds both to the metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the fields that `pyproject.toml` calls dynamic."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        repository = os.environ.get("SESSIONKEEPER_REPOSITORY", "").rstrip("/")
        revision = os.environ.get("SESSIONKEEPER_REVISION", "main")
        metadata["urls"] = urls(repository, revision) if repository else {}
        text = absolute(text, repository, revision) if repository else text
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
