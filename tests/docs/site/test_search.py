"""Who searches the documentation for the word that they would use finds the page first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.demo_server import ROOT

pytest.importorskip("zensical", reason="needs the documentation's builder: make check installs it")
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
#: What is typed, and the page that is wanted first.
QUERIES = {
    "install": "start/install/",
    "pytest": "howto/testing/",
    "faq": "project/faq/",
    "email login": "howto/custom-users/",
    "proxy": "deploy/proxy/",
    "docker": "deploy/docker/",
    "kubernetes": "deploy/kubernetes/",
    "pgbouncer": "deploy/pgbouncer/",
    "gdpr": "howto/retention/",
    "troubleshooting": "howto/troubleshooting/",
    "react": "howto/recipes/",
    "knox": "howto/moving-tokens/",
    "axes": "howto/moving-packages/",
    "mobile": "howto/mobile/",
    "comparison": "project/comparison/",
    "openapi": "reference/openapi/",
}


@pytest.fixture(scope="module")
def found():
    """What the search of the built site finds for each query."""
    build = [sys.executable, "-m", "zensical", "build"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [worker] = (ROOT / "site/assets/javascripts/workers").glob("search.*.js")
    command = ["node", ROOT / "tests/docs/site/search.mjs", worker, ROOT / "site/search.json", *QUERIES]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize(("query", "page"), QUERIES.items())
def test_the_page_is_found_first(found, query, page):
    assert [place.partition("#")[0] for place in found[query][:1]] == [page]
