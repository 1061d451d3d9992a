"""The rules of axe-core in a page: what it lacks for people with a screen reader, a keyboard or weak eyes.

axe-core is a development tool under the MPL-2.0: npm installs it, unmodified, into the cache, and nothing ships it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

from support.node import modules

PINNED: Final = Path(__file__).with_name("axe")
COLOURS: Final = ("color-contrast", "link-in-text-block")
"""Rules whose result a theme can change."""
LAYOUT: Final = ("scrollable-region-focusable", "target-size")
"""Rules whose result a width can change."""
_RUN: Final = """async ([context, rules, disabled]) => {
  const options = { resultTypes: ["violations"], elementRef: false };
  if (rules.length) options.runOnly = { type: "rule", values: rules };
  options.rules = Object.fromEntries(disabled.map((rule) => [rule, { enabled: false }]));
  const { violations } = await axe.run(context === "styles" ? { include: styles() } : context ?? document, options);
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)} ${
    node.any.map((check) => check.message).join("; ").slice(0, 160)}`));

  // The first element of each combination of colours, size and weight: checking each of thousands takes seconds.
  function styles() {
    const found = new Map(), clear = "rgba(0, 0, 0, 0)";
    for (const element of document.querySelectorAll("body *")) {
      const hasText = [...element.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
      if (!hasText || !element.checkVisibility({ visibilityProperty: true })) continue;
      const own = getComputedStyle(element), key = [own.color, own.fontSize, own.fontWeight];
      for (let at = element; at; at = at.parentElement) {
        const { backgroundColor, backgroundImage, opacity } = getComputedStyle(at);
        if (opacity !== "1") key.push(opacity);
        if (backgroundColor !== clear || backgroundImage !== "none") key.push(backgroundColor, backgroundImage);
      }
      if (!found.has(`${key}`)) found.set(`${key}`, element);
    }
    return [...found.values()];
  }
}"""


def source() -> str:
    """axe-core's program."""
    return (modules(PINNED) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


async def violations(
    page: Page,
    program: str,
    rules: Sequence[str] = (),
    *,
    without: Sequence[str] = (),
    context: Mapping[str, Any] | None = None,
) -> list[str]:
    """The elements of the page that break a rule: all rules, only ``rules``, or all but ``without``.

    ``context`` is axe-core's: the parts to look at.
    """
    return await _found(page, program, [context, list(rules), list(without)])


async def unreadable(page: Page, program: str) -> list[str]:
    """The texts whose colours are too much alike; of each combination of colours, one element is checked."""
    return await _found(page, program, ["styles", list(COLOURS), []])


async def _found(page: Page, program: str, arguments: Sequence[Any]) -> list[str]:
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(program)
    found: list[str] = await page.evaluate(_RUN, arguments)
    return found
