"""The requests of a load, ready-made: only the AWB, the time and the mark differ from one to the next.

Event times lie in the two hours before the newest, in no order, since Clickpost polls couriers every two hours; AWBs
are spread over their whole range. Both keep the journal's indexes honest: nothing arrives in key order.
"""

from collections.abc import Callable, Sequence

import paths  # noqa: F401  makes tests/support importable
from support.bodies import FORMATS, body

_SPREAD_SECONDS = 7200
_STRIDE = 7919
_PER_SECOND = 1000
"""Updates per second of event time."""


def request_maker(
    aggregator: str, keys: Sequence[str], *, per_shipment: int = 1, padding: int = 0
) -> Callable[[int], bytes]:
    """A function that gives the whole HTTP request for a mark. Mark ``m`` goes to client ``m % len(keys)``.

    With ``per_shipment`` above 1, that many updates of one client in a row belong to one shipment. ``padding`` makes
    each body so many bytes longer, by a field that no aggregator knows.
    """
    form = FORMATS[aggregator]
    clients = len(keys)
    pad = b', "padding": "%b"}' % (b"x" * (padding - len(b', "padding": ""'))) if padding else b"}"
    size = len(body(aggregator, mark=0, shipment=0, second=0)) + len(pad) - 1
    heads = [
        (
            f"POST /rms/in/api/{form.segment}/notify HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\n"
            f"Content-Type: application/json\r\n{form.key_header}: {key}\r\nContent-Length: {size}\r\n\r\n"
        ).encode()
        for key in keys
    ]

    def single(mark: int) -> bytes:
        second = _SPREAD_SECONDS + mark // _PER_SECOND - mark * _STRIDE % _SPREAD_SECONDS
        return heads[mark % clients] + body(aggregator, mark=mark, shipment=mark, second=second)[:-1] + pad

    def grouped(mark: int) -> bytes:
        turn, client = divmod(mark, clients)
        shipment = turn // per_shipment * clients + client
        return heads[client] + body(aggregator, mark=mark, shipment=shipment, second=turn)[:-1] + pad

    return single if per_shipment == 1 else grouped
