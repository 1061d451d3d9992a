"""/undelivered: the PushConfigs that are failing now, and the accounts whose requests are refused. Pure.

The operator derives the conditions ``Delivering`` and ``Receiving`` from it.

It contains neither an endpoint's response nor a URL, because more people may read a status than a Secret.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from trackpush_server.pusher.observer import Trouble
from trackpush_server.pusher.trouble import describe


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """One failing PushConfig."""

    name: str
    """``namespace/name``."""
    reason: Literal["EndpointFailing", "EndpointGone"]
    since: int
    """Start of the failure, in seconds since the epoch."""
    message: str
    """A description for people."""


class RefusedAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One account."""

    name: str
    """``namespace/name`` of the AggregatorWebhook."""
    in_a_row: int
    """Its last requests that were not answered with 2xx."""


class Undelivered(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The response of /undelivered."""

    push_configs: tuple[Failing, ...]
    refused_accounts: tuple[RefusedAccount, ...] = ()


def undelivered(troubles: Iterable[Trouble], refused: Mapping[str, int]) -> Undelivered:
    """The failing PushConfigs, without suspended and recovered ones; the accounts with their refusals in a row."""
    return Undelivered(
        push_configs=tuple(_failing(trouble) for trouble in troubles),
        refused_accounts=tuple(RefusedAccount(name=name, in_a_row=count) for name, count in sorted(refused.items())),
    )


def _failing(trouble: Trouble) -> Failing:
    return Failing(
        name=trouble.push_config,
        reason="EndpointGone" if trouble.gone else "EndpointFailing",
        since=int(trouble.since),
        message=describe(trouble),
    )
