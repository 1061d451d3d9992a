"""Converts queue entries to the arguments of one call, and the call's result to commits."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from trackpush_server.journal.append_queue import Append
from trackpush_server.journal.model import Committed, NewUpdate, Outcome
from trackpush_server.journal.postgres.name_ids import NameIds
from trackpush_server.journal.sealing import BODY, NOTIFICATION, Sealer

_MOST = (1 << 63) - 1
_Record = TypeVar("_Record", bound=msgspec.Struct)


class OutcomeEntry(msgspec.Struct, frozen=True, eq=False):
    """A queued outcome."""

    outcome: Outcome
    number: int


Entry = Append | OutcomeEntry


class WriteBatch:
    """Entries that one call stores together."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.appends = [entry for entry in entries if isinstance(entry, Append)]
        self.outcomes = [entry.outcome for entry in entries if isinstance(entry, OutcomeEntry)]
        self.updates: list[NewUpdate] = []
        """Updates in order, without duplicates within the batch."""
        self._owners: list[int] = []
        """For each update, the index of the first append that contains it."""
        self._push_configs: dict[int, str] = {}
        seen: set[bytes] = set()
        for index, append in enumerate(self.appends):
            for update in append.updates:
                if update.key not in seen:
                    seen.add(update.key)
                    self.updates.append(update)
                    self._owners.append(index)

    @property
    def accounts(self) -> Iterable[str]:
        """Accounts in this batch, whose numbers the call needs."""
        return {update.account for update in self.updates}

    @property
    def push_configs(self) -> Iterable[str]:
        """PushConfigs in this batch, whose numbers the call needs."""
        wanted = {push.push_config for update in self.updates for push in update.pushes}
        return wanted | {outcome.push_config for outcome in self.outcomes}

    @property
    def timeless(self) -> list[bool] | None:
        """For each update, whether it is timeless; None if none is, which is the usual case."""
        found = [update.timeless for update in self.updates]
        return found if True in found else None

    def columns(self, names: NameIds, sealer: Sealer) -> tuple[list[Any], ...]:
        """The array arguments of `append_v1`, in order."""
        self._push_configs = names.push_config_by_id
        return (*_updates(self.updates, names, sealer), *_pushes(self.updates, names), *_outcomes(self.outcomes, names))

    def committed(self, answer: Any) -> tuple[list[Committed], list[int]]:
        """The new updates of the call's result, and the number of them per append."""
        counts = [0] * len(self.appends)
        if answer["first_id"] is None:
            return [], counts
        duplicates = set(answer["duplicates"] or ())
        late, dropped = _late(answer, self._push_configs)
        behind = dict(zip(answer["behind_update"] or (), answer["behind_id"] or (), strict=True))
        found = []
        update_id = answer["first_id"]
        for number, (update, owner) in enumerate(zip(self.updates, self._owners, strict=True), 1):
            if number in duplicates:
                continue
            counts[owner] += 1
            one = Committed(update_id, update)
            if number in late or number in behind:
                one = Committed(
                    update_id,
                    update,
                    tuple(late.get(number, ())),
                    tuple(dropped.get(number, ())),
                    behind.get(number, 0),
                )
            found.append(one)
            update_id += 1
        return found, counts


def cleaned(entry: Entry) -> Entry:
    """The entry with all values made storable; JSON from outside may contain values that PostgreSQL rejects."""
    if isinstance(entry, Append):
        return Append(tuple(_storable(update) for update in entry.updates), entry.done, entry.number)
    return OutcomeEntry(_storable(entry.outcome), entry.number)


def _storable(record: _Record) -> _Record:
    """The record with ``?`` in place of lone surrogates and NULs, and with numbers limited to 64 bits."""
    fields = {name: _clean(getattr(record, name)) for name in record.__struct_fields__}
    return msgspec.structs.replace(record, **fields)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, int) and abs(value) > _MOST:
        return _MOST if value > 0 else -_MOST
    return value


def _updates(updates: Sequence[NewUpdate], names: NameIds, sealer: Sealer) -> tuple[list[Any], ...]:
    accounts, seal = names.accounts, sealer.seal
    return (
        [update.key for update in updates],
        [accounts[update.account] for update in updates],
        [update.received_at for update in updates],
        [update.occurred_at for update in updates],
        [update.shipment for update in updates],
        [update.awb for update in updates],
        [update.forward_awb for update in updates],
        [update.order_id for update in updates],
        [update.status for update in updates],
        [update.trace for update in updates],
        [seal(update.notification, key=update.key, column=NOTIFICATION) for update in updates],
        [seal(update.body, key=update.key, column=BODY) for update in updates],
    )


def _pushes(updates: Sequence[NewUpdate], names: NameIds) -> tuple[list[Any], ...]:
    configs = names.push_configs
    rows = [(number, push) for number, update in enumerate(updates, 1) for push in update.pushes]
    return (
        [number for number, _ in rows],
        [configs[push.push_config] for _, push in rows],
        [push.drop_late for _, push in rows],
    )


def _outcomes(outcomes: Sequence[Outcome], names: NameIds) -> tuple[list[Any], ...]:
    configs = names.push_configs
    last: dict[tuple[int, int], Outcome] = {}
    before: list[tuple[int, Outcome]] = []
    for outcome in outcomes:
        place = outcome.update_id, configs[outcome.push_config]
        replaced = last.get(place)
        if replaced is not None and replaced.attempted:
            before.append((place[1], replaced))
        last[place] = outcome
    ends = last.values()
    return (
        [ended.update_id for ended in ends],
        [config for _, config in last],
        [int(ended.state) for ended in ends],
        [ended.tries for ended in ends],
        [ended.rejections for ended in ends],
        [ended.due_at for ended in ends],
        [ended.started_at if ended.attempted else None for ended in ends],
        [ended.duration_ms if ended.attempted else None for ended in ends],
        [ended.http_status if ended.attempted else None for ended in ends],
        [ended.error for ended in ends],
        [outcome.update_id for _, outcome in before],
        [config for config, _ in before],
        [outcome.tries for _, outcome in before],
        [outcome.started_at for _, outcome in before],
        [outcome.duration_ms for _, outcome in before],
        [outcome.http_status for _, outcome in before],
        [outcome.error for _, outcome in before],
    )


def _late(answer: Any, push_configs: dict[int, str]) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    late: dict[int, list[str]] = {}
    dropped: dict[int, list[str]] = {}
    rows = (answer[name] or () for name in ("late_updates", "late_configs", "late_dropped"))
    for number, config, was_dropped in zip(*rows, strict=True):
        name = push_configs[config]
        late.setdefault(number, []).append(name)
        if was_dropped:
            dropped.setdefault(number, []).append(name)
    return late, dropped
