"""Reads resources and bodies with the project's own code, for the demo's aggregators and clients."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from trackpush_aggregators import composable, compose, decode, parse
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.routing import RoutingTable
from trackpush_api.vocabulary import AggregatorName
from trackpush_cli.demo.story import Bodies
from trackpush_cli.errors import CommandError
from trackpush_cli.folder import compile_folder


def load_table(folder: Path) -> RoutingTable:
    """The routing table of a folder of resources.

    Raises:
        CommandError: the folder has errors.
    """
    table, problems = compile_folder(folder, server=None)
    if table is None or problems:
        raise CommandError(*problems or ("no WebhookServer can be served",))
    return table


def _parse(aggregator: AggregatorName, body: bytes) -> Sequence[TrackingUpdate]:
    return parse(aggregator, decode(body), body, key=None, received_at=int(time.time() * 1000)).updates


def _compose(aggregator: AggregatorName, status: str, awb: str, time: datetime) -> bytes:
    return compose(aggregator, status, awb=awb, order_id=f"ORD-{awb[-6:]}", occurred_at=int(time.timestamp()) * 1000)


BODIES = Bodies(_parse, _compose, composable)
