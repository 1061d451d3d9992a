"""Decides whether to scan a folder: after a notice by the kernel, or always if the kernel can't send notices.

A notice only triggers a scan and does not say what changed, so an extra notice does no harm. Scanning 10,000 files four
times a second takes a fifth of a CPU; waiting for notices takes nothing.
"""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import structlog
from watchfiles._rust_notify import RustNotify  # the documentation calls it "Rust backend"

from trackpush_server.config.walk import FoundFile

UNTOLD_SECONDS: Final = 60.0
"""Maximum seconds between two scans, even without a notice: the kernel drops notices when too many come at once."""
_LOCAL: Final = frozenset(
    ("bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "overlay", "ramfs", "rootfs", "tmpfs", "xfs", "zfs")
)
"""File systems that only this machine's kernel changes. Network file systems also change without a notice."""
_MOUNTS: Final = Path("/proc/self/mountinfo")
_log = structlog.get_logger("trackpush.config")


class Notices:
    """Receives the kernel's notices about one folder. Blocks for a few milliseconds; not thread-safe."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._notify: RustNotify | None = None
        self._place = ""
        self._identity: object = None
        self._looked = clock() - UNTOLD_SECONDS
        self._links: dict[FoundFile, bool] = {}
        """For each symbolic link, whether it leads out of the folder."""
        self._targets: object = None
        self._logged: str | None = None

    def may_have_changed(self) -> bool:
        """Whether to scan; call it before each scan."""
        identity = _identity(self._folder)
        if identity is None or identity != self._identity:
            self._identity = identity
            self._ask()
            return True
        if self._notify is None or self._is_told(self._notify):
            return True
        return self._clock() - self._looked >= UNTOLD_SECONDS or self._stat_links() != self._targets

    def looked(self, found: Iterable[FoundFile]) -> None:
        """Record the result of a scan."""
        self._looked = self._clock()
        known = self._links
        self._links = {
            file: known[file] if file in known else not f"{os.path.realpath(file.path)}/".startswith(f"{self._place}/")
            for file in found
            if file.is_link
        }
        self._targets = tuple(link.stamp or None for link, is_outside in self._links.items() if is_outside)

    def _ask(self) -> None:
        """Subscribe to the kernel's notices for the folder to which the path leads now."""
        self._notify = None
        self._place = os.path.realpath(self._folder)
        trouble = why_polled(self._place)
        if trouble is None:
            try:
                self._notify = RustNotify([self._place], False, False, 0, True, True)
            except (OSError, RuntimeError) as error:
                trouble = f"{error}; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
        self._tell(trouble)

    def _is_told(self, notify: RustNotify) -> bool:
        try:
            return notify.watch(1, 1, 1, None) != "timeout"
        except RuntimeError as error:  # for example, a new folder exceeded the limit of watches
            self._notify = None
            self._tell(f"{error}; raise fs.inotify.max_user_watches")
            return True

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self._logged:
            _log.warning("resources_polled", folder=str(self._folder), reason=trouble)
        self._logged = trouble

    def _stat_links(self) -> object:
        return tuple(_stamp(link.path) for link, is_outside in self._links.items() if is_outside)


def why_polled(place: str, mounts: Path = _MOUNTS) -> str | None:
    """Why to poll a folder, given by its real path, although the kernel can send notices; None: don't poll."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None  # not Linux
    kinds = {"": "an unknown file system"}
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4].replace("\\040", " ").rstrip("/")
        kinds[point] = rest.split()[0]  # if several are mounted at one point, the last one is visible
    own = max((point for point in kinds if f"{place}/".startswith(f"{point}/")), key=len)
    below = [point for point in kinds if point.startswith(f"{place}/")]
    foreign = next((point for point in (own, *below) if kinds[point] not in _LOCAL), None)
    return None if foreign is None else f"{foreign or '/'} is {kinds[foreign]}, which may change without a notice"


def _identity(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)  # noqa: PTH116  there may be many
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
