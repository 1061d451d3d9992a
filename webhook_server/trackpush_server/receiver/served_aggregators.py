"""The aggregators of one routing table: how their requests are authenticated, limited and read. Pure."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

import msgspec

from trackpush_aggregators import Reader
from trackpush_aggregators.readers import BUILT_IN
from trackpush_api.routing import Account, Definition, KeyPlaces, Limits, RoutingTable, Signature
from trackpush_api.vocabulary import AggregatorName
from trackpush_server.definitions import compiled
from trackpush_server.receiver import answers
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.keys import NO_PLACES
from trackpush_server.receiver.signatures import SigningAccount, signing_secrets

_NOBODY: Final[Mapping[str, SigningAccount]] = {}


class ServedAggregator(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregator."""

    reader: Reader
    limits: Limits
    """Of a body with a known key, or with a signature."""
    strangers_limits: Limits
    """Of all other bodies: never more than the server's, whatever the definition says."""
    places: KeyPlaces = NO_PLACES
    """Places of the key, in addition to the general ones."""
    all_of: tuple[KeyPlaces, ...] = ()
    signature: Signature | None = None
    signers: Mapping[str, SigningAccount] = _NOBODY
    """The accounts, by name, if the aggregator signs its bodies."""
    grace_until: int = 0
    """Until then (seconds since the epoch) the secret of a signature may be one that is missing at the moment."""
    unauthorized: Response
    """The answer to a request without valid credentials."""
    header_names: tuple[str, ...] = ()
    """Headers that authenticate a request, in addition to the general ones."""
    is_plain: bool = True
    """Whether one known key is enough, wherever it is."""

    @property
    def name(self) -> AggregatorName:
        return self.reader.name

    @property
    def is_large(self) -> bool:
        """Whether its bodies may be larger than the server's limit for all others."""
        return self.limits.max_body_bytes > self.strangers_limits.max_body_bytes


def served_aggregators(
    table: RoutingTable, definitions: Mapping[AggregatorName, Definition]
) -> dict[AggregatorName, ServedAggregator]:
    """All aggregators, by name; ``definitions`` are those in use."""
    limits = table.server.limits
    accounts = _by_aggregator(
        account
        for account in table.accounts
        if account.secrets or (account.grace and account.aggregator in definitions)
    )
    served = {name: _defined(definition, limits, accounts.get(name, ())) for name, definition in definitions.items()}
    for name, reader in BUILT_IN.items():
        served[name] = ServedAggregator(
            reader=reader, limits=limits, strangers_limits=limits, unauthorized=answers.unauthorized(name)
        )
    return served


def _defined(definition: Definition, limits: Limits, accounts: Iterable[Account]) -> ServedAggregator:
    most = definition.max_body_bytes
    own = limits if most is None else msgspec.structs.replace(limits, max_body_bytes=most)
    signed = definition.signature is not None
    return ServedAggregator(
        reader=compiled(definition),
        limits=own,
        strangers_limits=own if own.max_body_bytes <= limits.max_body_bytes else limits,
        places=definition.key_places,
        all_of=definition.all_of,
        signature=definition.signature,
        signers={account.name: _signing(account) for account in accounts if account.secrets} if signed else _NOBODY,
        grace_until=max((key.until for account in accounts for key in account.grace), default=0) if signed else 0,
        unauthorized=answers.unauthorized_by(definition),
        header_names=definition.header_names,
        is_plain=not signed and not definition.all_of,
    )


def _signing(account: Account) -> SigningAccount:
    return SigningAccount(account, tuple(chain.from_iterable(map(signing_secrets, account.secrets))))


def _by_aggregator(accounts: Iterable[Account]) -> Mapping[AggregatorName, tuple[Account, ...]]:
    found: dict[AggregatorName, list[Account]] = {}
    for account in accounts:
        found.setdefault(account.aggregator, []).append(account)
    return {name: tuple(of_it) for name, of_it in found.items()}
