"""What an endpoint answered, for people: the headers and the beginning of the text, without secrets.

The transport only keeps references; the text is made when somebody looks at it.
"""

import msgspec

from trackpush_server.outbound.excerpt import excerpt
from trackpush_server.outbound.framing import complete_head

MOST_HEADERS = 40
_HIDDEN = frozenset({"set-cookie", "set-cookie2", "www-authenticate", "authorization"})
_MASK = "•••"


class Said(msgspec.Struct, frozen=True, eq=False):
    """An answer as it came, with what must not be shown of it."""

    head: bytes
    body: bytes
    """The first bytes."""
    request: bytes
    """The text ends where it begins to repeat this."""
    secrets: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        return len(self.head) + len(self.body) + len(self.request)


class ShownAnswer(msgspec.Struct, frozen=True):
    """An answer that may be shown."""

    headers: tuple[tuple[str, str], ...]
    excerpt: str | None


def _final(head: bytes) -> bytes:
    """The head of the final response, without interim ones and without a body."""
    whole = complete_head(head)
    blocks = (head if whole is None else whole.rstrip()).replace(b"\r\n", b"\n").split(b"\n\n")
    return blocks[-1] if whole is not None else blocks[0]


def show(said: Said) -> ShownAnswer:
    """The headers and the beginning of the text; secrets of the request are masked, and so are cookies."""
    headers = []
    for line in _final(said.head).splitlines()[1 : MOST_HEADERS + 1]:
        name, _, value = line.partition(b":")
        shown = excerpt(name, said.request, said.secrets) or ""
        hidden = shown.lower() in _HIDDEN
        headers.append((shown, _MASK if hidden else excerpt(value.strip(), said.request, said.secrets) or ""))
    return ShownAnswer(tuple(headers), excerpt(said.body, said.request, said.secrets))
