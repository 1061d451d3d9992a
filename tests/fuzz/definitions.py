"""Makes definitions and bodies for them: real ones with parts exchanged. The same seed gives the same ones."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from trackpush_aggregators.catalog import catalog_names, catalog_text
from trackpush_api.yaml_reader import read_documents

FOLDER: Final = Path(__file__).parents[1] / "aggregators" / "definition"
RICH: Final[dict[str, Any]] = {
    "path": "rich",
    "timezone": "Europe/Berlin",
    "authentication": {"key": {"allOf": ["X-A", {"headers": ["X-B"], "query": ["t"]}]}},
    "updates": [
        {"as": "item", "in": ['body["a.b"].items', "body.items"]},
        {"as": "part", "in": "item.parts"},
        {"as": "scan", "in": ["part.scans.detail", "part"]},
    ],
    "fields": {
        "awb": ["item.awb", "item.ids[0]", "item.ids[-1]"],
        "orderId": {"cel": "item.prefix + string(item.number)"},
        "remark": {"join": ["scan.a", "scan.b"]},
        "occurredAt": {"path": "scan.at", "formats": ["%d/%m/%Y %H:%M", "%Y%m%d"]},
        "estimatedDelivery": "item.eta",
        "revisedDelivery": "item.eta2",
        "returnReference": "item.ret",
        "attempt": "scan.n",
        "qcResult": "scan.qc",
        "qcReasons": "scan.why",
        "proofOfDelivery": "scan.pod",
        "otpVerified": "scan.otp",
        "ndrReason": "scan.ndr",
        "test": {"cel": "body.test == true || item.awb == 'TEST'"},
    },
    "status": {
        "code": ["part.group", "scan.code"],
        "label": ["scan.text", "scan.code"],
        "table": [
            {"when": ["DL", "*"], "status": "DELIVERED", "direction": "Forward"},
            {"when": ["13*", ""], "status": "RTO_DELIVERED"},
            {"when": [1, 2], "status": "LOST"},
            {"when": ["*", "R*"], "status": "DELIVERY_FAILED", "ndrReason": "REFUSED"},
        ],
    },
    "direction": {"of": ["item.mode", "body.mode"], "table": {"R": "Reverse", "true": "RTO"}},
    "identity": ["awb", "status", "direction", "scan.at", "orderId"],
    "redact": ["body.token", "item.phone", "part.picture", "scan.otp", "item.scans[0].x"],
    "samples": [
        {
            "name": "rich",
            "body": {
                "a.b": {"items": [{"awb": "1", "ids": ["9", "8"], "prefix": "P", "number": 7, "mode": "R", "phone": 1,
                        "eta": 1780288440, "parts": {"group": "DL", "picture": "x" * 99, "scans": {"detail": [
                            {"code": "D", "at": "01/06/2026 10:04", "otp": "Y", "why": ["1"], "n": "2", "ndr": "x"},
                            {"code": "R1", "at": "20260602", "qc": "P", "pod": "https://x.example/", "a": 1.5}]}}}]},
                "token": "t", "test": True, "mode": None,
            },
            "expect": [{"awb": "1"}, {"awb": "1", "ndrReason": "UNKNOWN"}],
        }
    ],
}  # fmt: skip
PLAIN: Final[dict[str, Any]] = {
    "path": "plain",
    "fields": {"awb": "awb", "orderId": "order.id", "occurredAt": "at"},
    "status": {"code": "code", "table": [{"when": "DL", "status": "DELIVERED"}]},
    "samples": [
        {"name": "s", "body": {"awb": "1", "order": {"id": 2}, "at": "2026-06-01", "code": "DL"}, "expect": []}
    ],
}
_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**30,
    1e308,
    "",
    " ",
    "NA",
    "0",
    "body",
    "body.x",
    "*",
    "a*b",
    "13*",
    "x" * 300,
    "\x00",
    "\ud83d",
    "é\u2028",
    [],
    {},
    [[]],
    [None, {}],
    {"": ""},
    {"0": {"awb": "1"}},
    "scan.at[0]",
    "a[99999]",
    'a["b"]',
    "%d-%m-%Y",
    "%Q",
    "2026-06-01T10:00:00Z",
    1780288440,
    "1+1",
    "body.x[0].y",
    "size(body)",
    "body.all(x, x.y)",
    "direction",
    "item",
    "[redacted]",
    "UTC",
    "Asia/Kolkata",
    "../x",
    "Reverse",
    "DELIVERED",
    "in",
    "package",
    {"cel": "body"},
    {"join": ["a", "b"]},
    {"paths": ["a"]},
    {"path": "x", "formats": ["%Y-%m-%d"]},
    {"cel": "body.a.b.c"},
)


def given_specs() -> list[dict[str, Any]]:
    """Specs that use every feature, and those of the catalog."""
    texts = [(FOLDER / "parcelkit.yaml").read_text(), *(catalog_text(name) or "" for name in catalog_names())]
    parcelkit, *catalog = (next(read_documents(text)).value["spec"] for text in texts)
    return [parcelkit, RICH, PLAIN, *catalog]


def changed(rng: random.Random, value: Any, *, times: int, more: Sequence[Any] = ()) -> Any:
    """A copy with some parts replaced, removed, doubled or exchanged."""
    made = copy.deepcopy(value)
    for _ in range(times):
        places = list(_places(made))
        if not places:
            return made
        container, key = rng.choice(places)
        kind = rng.random()
        if kind < 0.55:
            container[key] = copy.deepcopy(rng.choice((*_ODD, *more)))
        elif kind < 0.7:
            del container[key]
        elif kind < 0.85:
            other, place = rng.choice(places)
            container[key] = copy.deepcopy(other[place]) if _has(other, place) else None
        elif isinstance(container, dict):
            container[rng.choice(("x", "awb", "0", "cel", "at", "scans"))] = copy.deepcopy(rng.choice(_ODD))
        else:
            container.append(copy.deepcopy(container[key]))
    return made


def _has(container: Any, place: Any) -> bool:
    return place in container if isinstance(container, dict) else place < len(container)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield value, key
        yield from _places(inner)


def bodies(rng: random.Random, spec: dict[str, Any]) -> Iterator[bytes]:
    """An endless supply of bodies for a definition."""
    samples = [sample["body"] for sample in spec.get("samples", ()) if isinstance(sample, dict) and "body" in sample]
    while True:
        body = changed(rng, rng.choice([*samples, {}]), times=rng.choice((0, 1, 1, 2, 3, 5)))
        if rng.random() < 0.1:
            body = [body, changed(rng, body, times=1)]
        encoded = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        if rng.random() < 0.1:
            place = rng.randrange(len(encoded))
            encoded = encoded[:place] + rng.randbytes(1) + encoded[place + rng.randrange(3) :]
        yield encoded
