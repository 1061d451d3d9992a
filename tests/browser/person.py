"""A person at the console and at a shell, whose steps are counted: pasted texts, clicks, commands."""

import time
from collections import Counter
from typing import Final, NamedTuple

from playwright.async_api import Locator, Page, expect

from support.command import Result, trackpush

_ORDER: Final = ("paste", "click", "command")


class Done(NamedTuple):
    """What a task took."""

    steps: str
    seconds: float


class Person:
    """Works from the console's first page, which is open, and from a shell; `done` when the answer was seen."""

    def __init__(self, page: Page, admin: str) -> None:
        self.page = page
        self._admin = admin
        self._steps: Counter[str] = Counter()
        self._started = time.monotonic()

    async def find(self, text: str) -> None:
        """Paste an AWB, an order or an id into the box at the top, and press Enter."""
        box = self.page.get_by_role("searchbox", name="AWB, order or push id")
        await box.fill(text)
        await box.press("Enter")
        self._steps["paste"] += 1

    async def click(self, element: Locator) -> None:
        """Click a link, a button or a line that opens."""
        await element.click()
        self._steps["click"] += 1

    async def tab(self, name: str) -> None:
        """Click a page's name in the navigation."""
        await self.click(self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name, exact=True))

    async def sees(self, element: Locator, text: str) -> None:
        """Read the text."""
        await expect(element).to_contain_text(text)

    async def run(self, *arguments: str, exit_code: int = 0) -> Result:
        """Run a command of trackpush."""
        self._steps["command"] += 1
        done = await trackpush(*arguments, env={"TRACKPUSH_ADMIN": self._admin})
        assert done.exit_code == exit_code, done
        return done

    def copies(self) -> None:
        """Copy a text from the docs and paste it."""
        self._steps["paste"] += 1

    def types(self) -> None:
        """Run a command of another program."""
        self._steps["command"] += 1

    def done(self) -> Done:
        """The steps and seconds since the beginning."""
        seconds = time.monotonic() - self._started
        return Done(counted(self._steps), seconds)


def counted(steps: Counter[str]) -> str:
    """As the table shows steps: ``1 paste, 2 clicks``; ``none`` if the first page has the answer."""
    found = [(steps[name], name) for name in _ORDER if steps[name]]
    return ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for number, name in found) or "none"
