"""The rules of axe-core in a page: what it lacks for people with a screen reader, a keyboard or weak eyes.

axe-core is a development tool under the MPL-2.0: npm installs it, unmodified, into the cache, and nothing ships it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from support.node import modules

PINNED: Final = Path(__file__).with_name("axe")
_RUN: Final = """async (rules) => {
  const options = { resultTypes: ["violations"], elementRef: false };
  if (rules.length) options.runOnly = { type: "rule", values: rules };
  const { violations } = await axe.run(document, options);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${
    node.any.map((check) => check.message).join("; ").slice(0, 160)}`));
}"""


def source() -> str:
    """axe-core's program."""
    return (modules(PINNED) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


async def violations(page: Page, program: str, rules: Sequence[str] = ()) -> list[str]:
    """The elements of the page that break a rule; all rules, or only those named."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(program)
    found: list[str] = await page.evaluate(_RUN, list(rules))
    return found
