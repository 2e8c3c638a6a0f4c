"""The modules for React and Vue, and the JavaScript of the README, in Chromium on the demo.

React and Vue are not there: a stand-in has the one function that an example calls, as they document it.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.demo_server import ALICE, ROOT

pytestmark = pytest.mark.browser

STAND_INS = {
    "react": """
export function useSyncExternalStore(subscribe, getSnapshot) {
  if (!globalThis.rendered) { globalThis.rendered = []; subscribe(() => rendered.push(getSnapshot())); }
  return getSnapshot();
}""",
    "vue": "export const shallowRef = (value) => ({ value });",
}
PAGE = """<!doctype html><title>Example</title><script type="importmap">
{"imports": {"react": "/stand-in/react.js", "vue": "/stand-in/vue.js"}}</script>"""
UNTIL_KNOWN = (
    "until = async (read) => { while (read() === undefined) await new Promise((r) => setTimeout(r, 10)); }"
)


@pytest.fixture
def example(page):
    """A page of the demo's origin that can import the examples."""

    def serve(route, request):
        path = re.sub(r"^https?://[^/]+/", "", request.url)
        if path.startswith("stand-in/"):
            body = STAND_INS[path.removeprefix("stand-in/").removesuffix(".js")]
        else:
            body = PAGE if path == "examples/" else (ROOT / path).read_text()
        kind = "text/javascript" if path.endswith(".js") else "text/html"
        route.fulfill(body=body, content_type=kind)

    page.route(re.compile("/(examples|stand-in)/"), serve)
    page.goto("/examples/")
    return page


@pytest.mark.parametrize(
    ("module", "read"), [("react", "example.useUser()"), ("vue", "example.useUser().value")]
)
def test_a_component_knows_who_is_signed_in(example, module, read):
    seen = example.evaluate(
        f"""async (credentials) => {{
          const {UNTIL_KNOWN};
          const example = await import("/examples/{module}/useUser.js");
          await until(() => {read});
          const seen = [{read}];
          await example.client.login(credentials);
          seen.push({read}.username);
          await example.client.logout();
          seen.push({read});
          return seen;
        }}""",
        ALICE,
    )
    assert seen == [None, "alice", None]


def test_the_javascript_of_the_readme_signs_in_and_reads(example):
    [code] = re.findall(r"```js\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = re.sub(r'import (\{[^}]+\}) from ("[^"]+")', r"const \1 = await import(\2)", code)
    notes = example.evaluate(f"async ({{ username, password }}) => {{ {code}\nreturn notes; }}", ALICE)
    assert "Ask the cat for the way" in json.dumps(notes)
