"""Guesses what the members of a body mean: by their names, and statuses by the words in them."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from trackpush_aggregators.definition.leaves import Leaf, Lists
from trackpush_aggregators.taxonomy import named_status
from trackpush_api.vocabulary import Status

S = Status
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "awb": ("awb", "awbno", "awbnumber", "waybill", "waybillno", "waybillnumber", "trackingnumber", "trackingno",
            "trackingid", "trackingcode", "trackingref", "docket", "docketno", "lrnumber", "cnno", "consignmentno",
            "shipmentid", "shipmentnumber"),
    "orderId": ("orderid", "orderno", "ordernumber", "clientorderid", "customerorderid", "clientorderno", "referenceno",
                "referencenumber", "reference", "refno", "ref", "order"),
    "courier": ("couriername", "courier", "carriername", "carrier", "couriercompany"),
    "remark": ("remark", "remarks", "note", "notes", "comment", "comments", "instructions", "description", "message",
               "details"),
    "location": ("location", "place", "scannedlocation", "scanlocation", "currentlocation", "hub", "hubname", "city",
                 "statuslocation"),
    "estimatedDelivery": ("edd", "etd", "eta", "expecteddeliverydate", "expecteddelivery", "estimateddeliverydate",
                          "estimateddelivery", "estdeliverydate", "promiseddate", "promised", "promiseddeliverydate"),
    "code": ("statuscode", "scancode", "code", "statusid", "currentstatusid", "currentstatuscode", "status",
             "currentstatus", "shipmentstatus", "scanstatus", "orderstatus", "tag", "state", "eventcode", "activity",
             "event"),
    "label": ("statustext", "statusdescription", "statusdesc", "statusname", "statuslabel", "scan", "scandescription",
              "currentstatus", "status", "shipmentstatus", "activity", "scantext", "eventtext", "text", "description",
              "eventdescription"),
    "time": ("timestamp", "statustime", "statusdatetime", "statustimestamp", "scandatetime", "scantime", "scandate",
             "eventtime", "eventdate", "eventtimestamp", "currenttimestamp", "datetime", "occurredat", "updatedat",
             "updatedon", "updatetime", "time", "date", "at", "ts", "dt", "when", "dated", "createdat"),
}  # fmt: skip
"""Names of members without case and punctuation, the best ones first."""
_STATUS_WORDS: Final[tuple[tuple[str, Status], ...]] = (
    (r"rto.*deliver|return.*to.*(origin|shipper|seller).*deliver", S.RTO_DELIVERED),
    (r"rto.*(out.*deliver|ofd)", S.RTO_OUT_FOR_DELIVERY),
    (r"rto.*(transit|shipp)", S.RTO_IN_TRANSIT),
    (r"rto", S.RTO_INITIATED),
    (r"return.*deliver|^dto$", S.RETURN_DELIVERED),
    (r"return.*(picked|pickup.*(done|complete))", S.RETURN_PICKED_UP),
    (r"return.*transit", S.RETURN_IN_TRANSIT),
    (r"out.*deliver|^ofd$|out ?scan", S.OUT_FOR_DELIVERY),
    (
        r"undeliver|not.*deliver|can ?t.*deliver|unable|deliver.*(fail|attempt|exception)|attempt.*fail|^ndr$",
        S.DELIVERY_FAILED,
    ),
    (r"deliver", S.DELIVERED),
    (r"out.*pick", S.OUT_FOR_PICKUP),
    (r"pick.*(fail|exception|cancel|error)", S.PICKUP_FAILED),
    (r"picked|pick.*(done|complete)", S.PICKED_UP),
    (r"pick", S.PICKUP_PENDING),
    (r"cancel", S.CANCELLED),
    (r"lost", S.LOST),
    (r"damage|destroy", S.DAMAGED),
    (r"hold", S.ON_HOLD),
    (r"delay|misrout", S.DELAYED),
    (r"reach.*(dest|hub)|at.*destination|arriv", S.AT_DESTINATION),
    (r"transit|shipped|dispatch", S.IN_TRANSIT),
    (r"creat|manifest|book|new|generat", S.CREATED),
)
_PERSONAL: Final = re.compile(
    r"phone|mobile|e?mail$|otp|latitude|longitude|signature|image|photo|picture|securecode", re.IGNORECASE
)
_TOO_LONG: Final = 1_000
"""Characters of a text that is probably a picture."""


def folded(name: str) -> str:
    """A member's name without case and punctuation."""
    return "".join(filter(str.isalnum, name)).lower()


def best(
    leaves: Iterable[Leaf], field: str, *, lists: Sequence[Lists] | None = None, near: Leaf | None = None
) -> Leaf | None:
    """The leaf with the best name for a field; with ``lists``, only of these, the earlier ones first.

    Of several with the same name, the one in the object nearest to ``near``.
    """
    names = NAMES[field]
    ranked = [
        ((0 if lists is None else lists.index(leaf.lists), names.index(folded(leaf.name)), _distance(leaf, near)), leaf)
        for leaf in leaves
        if folded(leaf.name) in names and (lists is None or leaf.lists in lists)
    ]
    return min(ranked, key=lambda each: each[0])[1] if ranked else None


def _distance(leaf: Leaf, near: Leaf | None) -> int:
    """The number of objects to leave and enter between two members, if they are in the same element."""
    if near is None or leaf.lists != near.lists:
        return 0
    ours, theirs = (re.split(r"[.\[]", each.path)[1:-1] for each in (leaf, near))
    shared = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    return len(ours) + len(theirs) - 2 * (min(len(ours), len(theirs)) if shared is None else shared)


def guess_status(*texts: str | None) -> Status:
    """The canonical status that the words of a code or label suggest; UNKNOWN if none."""
    for text in filter(None, texts):
        named = named_status(text.strip())
        if named is not None:
            return named
        plain = re.sub(r"[^a-z]+", " ", text.lower()).strip()
        for pattern, status in _STATUS_WORDS:
            if re.search(pattern, plain):
                return status
    return S.UNKNOWN


def is_personal(leaf: Leaf) -> bool:
    """Whether a member is probably personal data, a secret or a picture."""
    return _PERSONAL.search(leaf.name) is not None or len(leaf.text) > _TOO_LONG
