"""Evaluates the CEL expressions of filters on tracking updates. Their authors read docs/filters.md.

If an expression fails for an update, the push is created anyway and the failure is reported.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.expressions import EvaluationError, InvalidExpressionError, compile_expression
from trackpush_api.expressions.variables import RAW, RAW_BYTES, RAW_VALUES, VARIABLES, qualified
from trackpush_api.vocabulary import TERMINAL, slug_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES: Final = {name: qualified(name) for name in VARIABLES if name != RAW}
_RAW: Final = qualified(RAW)


class UpdateView:
    """The variables that expressions see for one update; created for the first expression."""

    __slots__ = ("_received_at", "_update", "_variables", "_with_raw")

    def __init__(self, update: TrackingUpdate, received_at: int) -> None:
        self._update = update
        self._received_at = received_at
        self._variables: dict[str, Any] | None = None
        self._with_raw: dict[str, Any] | None = None

    def variables(self, *, raw: bool) -> dict[str, Any]:
        """Variables by qualified name; with ``raw``, also the body, if it is small enough."""
        if self._variables is None:
            self._variables = _variables(self._update, self._received_at)
        if not raw:
            return self._variables
        if self._with_raw is None:
            self._with_raw = self._variables | _raw(self._update.body)
        return self._with_raw


class FilterCondition(Protocol):
    """Decides whether an update passes."""

    def holds(self, view: UpdateView) -> bool:
        """Whether the update passes.

        Raises:
            EvaluationError: the evaluation failed; the message contains nothing of the update.
        """
        ...


class CompiledCondition:
    """A compiled expression of the routing table."""

    def __init__(self, text: str) -> None:
        self._expression = compile_expression(text)

    def holds(self, view: UpdateView) -> bool:
        return self._expression.holds(view.variables(raw=self._expression.reads_raw))


class Broken:
    """An expression that this version of the server can't compile, because another version wrote the table."""

    def holds(self, _: UpdateView) -> bool:
        raise EvaluationError("this version of the server can't compile the expression")


def condition(text: str | None) -> FilterCondition | None:
    """The condition of an expression; compiled once per process."""
    if text is None:
        return None
    try:
        return CompiledCondition(text)
    except InvalidExpressionError:
        return Broken()


def _variables(update: TrackingUpdate, received_at: int) -> dict[str, Any]:
    known = update.occurred_at is not None
    values: dict[str, Any] = {
        "type": f"shipment.{update.status.lower()}",
        "aggregator": slug_of(update.aggregator),
        "occurredAtKnown": known,
        "receivedAt": _moment(received_at),
        "test": update.test,
        "shipment.awb": update.awb or "",
        "shipment.courier": update.courier or "",
        "shipment.orderId": update.order_id or "",
        "shipment.direction": update.direction.value,
        "shipment.forwardAwb": update.forward_awb or "",
        "shipment.returnReference": update.return_reference or "",
        "shipment.estimatedDelivery": update.estimated_delivery or "",
        "shipment.revisedDelivery": update.revised_delivery or "",
        "shipment.returnAwb": update.return_awb or "",
        "status.code": update.status.value,
        "status.aggregatorCode": update.aggregator_code or "",
        "status.aggregatorLabel": update.aggregator_label or "",
        "status.terminal": update.status in TERMINAL,
        "status.ndrReason": "" if update.ndr_reason is None else update.ndr_reason.value,
        "status.remark": update.remark or "",
        "status.location": update.location or "",
        "status.attempt": update.attempt or 0,
        "status.qcResult": "" if update.qc_result is None else update.qc_result.value,
        "status.qcReasons": list(update.qc_reasons),
        "status.proofOfDelivery": update.proof_of_delivery or "",
        "status.otpVerified": update.otp_verified is True,
    }
    if update.occurred_at is not None:
        values["occurredAt"] = _moment(update.occurred_at)
    return {_NAMES[name]: value for name, value in values.items()}


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _raw(body: bytes) -> dict[str, Any]:
    """The parsed body, if it is not larger than the size for which the cost of expressions was computed."""
    if len(body) > RAW_BYTES or body.count(b",") + body.count(b"[") + body.count(b"{") > RAW_VALUES:
        return {}
    try:
        return {_RAW: msgspec.json.decode(body)}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise EvaluationError(f"the body can't be read as JSON: {type(error).__name__}") from None
