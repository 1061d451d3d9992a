"""Which namespace object a client's names in the journal belong to. Pure.

A client is named by its namespace, and a namespace's name can be given to somebody else: deleted and created again, it
has another UID. The journal remembers the UID under which a client's pushes were made. When a client comes with
another UID, everything of the former one is renamed to ``NAME@UID/…``. Updates and pushes hold numbers of names, so a
rename costs the same whatever is stored, and nothing of the former namespace is found under the new one's name:
no pending push, no dead one that could be replayed, no update that makes another late or a repeat.

The first UID that is seen of a name adopts what is there. Only ``takes_over`` of a `Tenant` brings a former
namespace's names back.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trackpush_api.routing import Tenant
from trackpush_server.journal.model import BoundClient


class KnownTenant(NamedTuple):
    """A row of the journal: a namespace object that had, or has, a client name."""

    uid: str
    generation: str
    current: bool


class Binding(NamedTuple):
    """What to do to bind a client."""

    bound: BoundClient
    archive: str | None
    """The UID whose names are put aside."""
    restore: tuple[str, ...]
    """UIDs whose names are brought back, in order."""


def binding(known: Sequence[KnownTenant], wanted: Sequence[Tenant]) -> Binding:
    """Decide. With several ``wanted``, the one that is bound already stays: the others are parts of another table."""
    current = next((entry for entry in known if entry.current), None)
    chosen = min(
        wanted, key=lambda entry: (current is None or entry.uid != current.uid, entry.uid, entry.takes_over or "")
    )
    before = next((entry for entry in known if entry.uid == chosen.uid), None)
    takes_over = chosen.takes_over if chosen.takes_over != chosen.uid else None
    restore = () if takes_over is None else (takes_over,)
    if current is None:
        return Binding(BoundClient(chosen.uid, "", takes_over), None, restore)
    if current.uid == chosen.uid:
        return Binding(BoundClient(chosen.uid, current.generation, takes_over), None, restore)
    if takes_over == current.uid:
        return Binding(BoundClient(chosen.uid, current.generation, takes_over), None, ())
    generation = chosen.uid if before is None else before.generation
    return Binding(BoundClient(chosen.uid, generation, takes_over), current.uid, (chosen.uid, *restore))


def former_name(name: str, uid: str, number: int = 0) -> str:
    """What ``namespace/name`` of a former namespace is called; ``number`` tells it from an older one."""
    namespace, _, rest = name.partition("/")
    return f"{namespace}@{uid}{f'.{number}' if number else ''}/{rest}"


def is_former(name: str) -> bool:
    """Whether a name is one of a former namespace: ``@`` is in no namespace's name."""
    return "@" in name.partition("/")[0]


def current_name(name: str, namespace: str, uid: str) -> str | None:
    """What a former name was before; None if it isn't one of this namespace object."""
    former, slash, rest = name.partition("/")
    prefix = f"{namespace}@{uid}"
    number = former.removeprefix(prefix)
    if not slash or not former.startswith(prefix) or (number and not number[1:].isdigit()):
        return None
    return f"{namespace}/{rest}"


def archived(names: Sequence[str], namespace: str, uid: str) -> dict[str, str]:
    """The new names of all names of a client."""
    taken = set(names)
    renamed = {}
    for name in names:
        if name.startswith(f"{namespace}/"):
            number = 0
            while (new := former_name(name, uid, number)) in taken:
                number += 1
            taken.add(new)
            renamed[name] = new
    return renamed


def restored(names: Sequence[str], namespace: str, uid: str) -> dict[str, str]:
    """The names of a former namespace, and what each is to be called again."""
    found = ((name, current_name(name, namespace, uid)) for name in names)
    return {name: new for name, new in found if new is not None}


def stored_names(names: Sequence[str], uids: Mapping[str, str], bound: Mapping[str, str]) -> dict[str, str]:
    """Names as a process knows them → as they are stored.

    ``uids``: by which UIDs this process knows its clients; ``bound``: what the journal says. Another replica may have
    bound a client to a new namespace already, while this process still has the old routing table.
    """
    found = {}
    for name in names:
        namespace = name.partition("/")[0]
        mine, theirs = uids.get(namespace), bound.get(namespace)
        found[name] = name if mine is None or theirs in {None, mine} else former_name(name, mine)
    return found
