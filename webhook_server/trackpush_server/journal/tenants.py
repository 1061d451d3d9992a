"""Binds a client's names in the journal to a namespace object. Pure.

A client's name is its namespace's name. A namespace can be deleted, and its name can be given to another client; the
new namespace object has another UID. The journal stores the UID that a client's names belong to. When a client appears
with another UID, all names of the former namespace are renamed to ``NAME@UID/…``. Updates and pushes refer to names
by number, so the cost of a rename does not depend on their count. Afterwards nothing of the former namespace is found
under the new one's name: no pending push, no dead push to replay, no update that makes another late or a repeat.

The first UID of a name adopts the existing records. Only ``takes_over`` of a `Tenant` restores the names of a former
namespace.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trackpush_api.routing import Tenant
from trackpush_server.journal.model import BoundClient


class KnownTenant(NamedTuple):
    """A row of the journal: a namespace object that has, or had, a client's name."""

    uid: str
    generation: str
    current: bool


class Binding(NamedTuple):
    """The changes that bind a client."""

    bound: BoundClient
    archive: str | None
    """The UID whose names are renamed to former names; None: no names."""
    restore: tuple[str, ...]
    """UIDs whose former names are restored, in order."""


def binding(known: Sequence[KnownTenant], wanted: Sequence[Tenant]) -> Binding:
    """Compute the binding. If ``wanted`` has several objects, keep the bound one: others are of another table."""
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
    """The former name of ``namespace/name``; ``number`` distinguishes it from older former names."""
    namespace, _, rest = name.partition("/")
    return f"{namespace}@{uid}{f'.{number}' if number else ''}/{rest}"


def former_client(client: str, uid: str) -> str:
    """The name under which a former namespace's links to the portal are kept."""
    return f"{client}@{uid}"


def is_former(name: str) -> bool:
    """Whether a name belongs to a former namespace. A namespace's name can't contain ``@``."""
    return "@" in name.partition("/")[0]


def current_name(name: str, namespace: str, uid: str) -> str | None:
    """The name before it became a former name; None if it does not belong to this namespace object."""
    former, slash, rest = name.partition("/")
    prefix = f"{namespace}@{uid}"
    number = former.removeprefix(prefix)
    if not slash or not former.startswith(prefix) or (number and not number[1:].isdigit()):
        return None
    return f"{namespace}/{rest}"


def archived(names: Sequence[str], namespace: str, uid: str) -> dict[str, str]:
    """Maps all names of a client to their former names."""
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
    """Maps the former names of a namespace object to their original names."""
    found = ((name, current_name(name, namespace, uid)) for name in names)
    return {name: new for name, new in found if new is not None}


def stored_names(names: Sequence[str], uids: Mapping[str, str], bound: Mapping[str, str]) -> dict[str, str]:
    """Maps names of this process's routing table to names in the journal.

    ``uids`` has the UIDs of the routing table, ``bound`` those of the journal, both by client. They differ while this
    process still uses an old routing table and another replica has already bound the client to a new namespace.
    """
    found = {}
    for name in names:
        namespace = name.partition("/")[0]
        mine, theirs = uids.get(namespace), bound.get(namespace)
        found[name] = name if mine is None or theirs in {None, mine} else former_name(name, mine)
    return found
