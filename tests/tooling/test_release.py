"""What a release publishes: a description whose links lead somewhere, by workflows that can be trusted."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import zipfile

import pytest
import yaml
from markdown_it import MarkdownIt

from tools.environment import ROOT

REPOSITORY = "https://example.org/someone/project"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
#: What a job may do at most, by workflow and job.
MAY = {
    "ci.yml": {"check": {"contents": "read"}, "test": {"contents": "read"}},
    "release.yml": {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"id-token": "write"},
    },
}


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """The metadata of a wheel that is built as the release workflow builds it."""
    folder = tmp_path_factory.mktemp("release")
    env = {**os.environ, "SESSIONKEEPER_REPOSITORY": REPOSITORY, "SESSIONKEEPER_REVISION": "v1"}
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith("/METADATA"))
        return email.message_from_bytes(wheel.read(name))


def test_the_long_description_is_rendered_and_every_link_leads_somewhere(metadata):
    page = MarkdownIt("commonmark").enable("table").render(metadata.get_payload(decode=True).decode())
    links = re.findall(r'(?:href|src)="([^"]+)"', page)
    within = [link for link in links if link.startswith(REPOSITORY)]
    assert len(within) > 10
    assert all(link.startswith(("https://", "http://127.0.0.1", "#")) for link in links)
    for link in within:
        path = re.fullmatch(rf"{REPOSITORY}/(?:blob|raw)/v1/([^#]+)(?:#.*)?", link)
        assert (ROOT / path[1]).exists(), link


def test_images_are_served_as_files(metadata):
    sources = re.findall(
        r'src="([^"]+)"',
        MarkdownIt("commonmark").enable("table").render(metadata.get_payload(decode=True).decode()),
    )
    assert sources
    assert all(source.startswith(f"{REPOSITORY}/raw/v1/docs/images/") for source in sources)


def test_the_project_has_its_addresses(metadata):
    found = dict(line.split(", ") for line in metadata.get_all("Project-URL"))
    assert found["Source"] == REPOSITORY
    assert {"Documentation", "Changelog", "Issues", "Security"} <= {*found}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_jobs_may_do_no_more_than_they_need(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"]
    assert {name: job["permissions"] for name, job in jobs.items()} == MAY[path.name]
    for job in jobs.values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            uses = step.get("uses")
            assert uses is None or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", uses)
            assert (
                not (uses or "").startswith("actions/checkout")
                or step["with"]["persist-credentials"] is False
            )
    assert "secrets." not in path.read_text()


def test_every_pin_says_its_version():
    for path in WORKFLOWS:
        for line in re.findall(r"uses: .*", path.read_text()):
            assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_python_3_14_is_tried_and_blocks_nothing():
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"][
        "matrix"
    ]
    assert {"python": "3.14", "trial": True} in matrix["include"]
    assert '("3.14", "newest")' in (ROOT / "noxfile.py").read_text()
