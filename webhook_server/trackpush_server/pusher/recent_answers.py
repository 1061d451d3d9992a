"""The newest answers of this process, in memory: people look at an attempt mostly soon after it.

Bounded, and empty after a restart. The journal keeps status and error of each attempt; a copy of each answer there
would cost more than the attempt itself.
"""

from collections.abc import Collection

from trackpush_server.outbound.answered import Said

MOST = 1000
MOST_BYTES = 8 * 1024 * 1024

_Key = tuple[str, int, int]


class RecentAnswers:
    """The newest answers by PushConfig, update id and number of the attempt. Lives on one event loop."""

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[_Key, Said] = {}  # in the order of their arrival
        self._bytes = 0

    def add(self, push_config: str, update_id: int, number: int, said: Said) -> None:
        """Keep an answer; drops the oldest ones if there are too many."""
        key = (push_config, update_id, number)
        self._drop(key)
        self._kept[key] = said
        self._bytes += said.size
        while self._kept and (len(self._kept) > self._most or self._bytes > self._most_bytes):
            self._drop(next(iter(self._kept)))

    def get(self, push_config: str, update_id: int, number: int) -> Said | None:
        return self._kept.get((push_config, update_id, number))

    def forget(self, update_ids: Collection[int]) -> None:
        """Drop the answers about erased updates."""
        for key in [key for key in self._kept if key[1] in update_ids]:
            self._drop(key)

    def clear(self) -> None:
        """Drop all answers: update ids may belong to other updates now."""
        self._kept.clear()
        self._bytes = 0

    def _drop(self, key: _Key) -> None:
        said = self._kept.pop(key, None)
        if said is not None:
            self._bytes -= said.size
