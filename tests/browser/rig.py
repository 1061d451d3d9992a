"""A real Chromium, Debian's, driven by Playwright. It is installed when it is missing: the machine is root."""

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, async_playwright

CHROMIUM = "/usr/bin/chromium"
_PACKAGES = ("chromium", "fonts-noto-core")
_FLAGS = (
    "--no-sandbox",  # the machine is a container, and root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
)
_LOCK = Path("/tmp/trackpush-chromium.lock")  # noqa: S108  two runs on one machine would disturb each other


def install() -> None:
    """See that Chromium is there.

    Raises:
        RuntimeError: it can't be installed; the message says what to do.
    """
    if shutil.which(CHROMIUM):
        return
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *_PACKAGES)):
            done = subprocess.run(("apt-get", *command), capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"apt-get {command[0]}: {done.stderr[-500:]}; install Debian's chromium by hand")


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A started browser; each context of it is a person of their own."""
    install()
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        try:
            yield started
        finally:
            await started.close()
