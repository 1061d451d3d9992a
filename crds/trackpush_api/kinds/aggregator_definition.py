"""AggregatorDefinition: how to read the bodies of an aggregator, as data; docs/aggregator-definitions.md."""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from trackpush_api.kinds import patterns
from trackpush_api.kinds.base import ATOMIC, MOST_AGGREGATOR_NAME, ApiModel, all_defaults, also, list_map, rule
from trackpush_api.vocabulary import RESERVED_NAMES, NdrReason, Status

_ANY_FORM: Final = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a value with several forms, which a structural schema cannot describe: the operator validates it."""

_RESERVED: Final = ", ".join(sorted(RESERVED_NAMES))
_RESERVED_IN_CEL: Final = f"[{', '.join(map(repr, sorted(RESERVED_NAMES)))}]"
_FREE: Final = rule(
    f"!(self in {_RESERVED_IN_CEL})",
    f"is the path of a built-in aggregator: write another one than {_RESERVED}",
)
NAMED: Final = (
    rule(
        f"!(self.metadata.name in {_RESERVED_IN_CEL})",
        f"metadata.name is that of a built-in aggregator: write another one than {_RESERVED}",
    ),
    rule(
        f"self.metadata.name.matches('{patterns.PATH_SEGMENT}') && self.metadata.name.size() <= {MOST_AGGREGATOR_NAME}",
        f"write a metadata.name of lower-case letters, digits and -, at most {MOST_AGGREGATOR_NAME} characters",
    ),
)
"""Rules of the whole resource: an AggregatorWebhook must be able to name it."""


def objection_to_definition_name(name: str) -> str | None:
    """Why no AggregatorDefinition can have this name, or None."""
    if name in RESERVED_NAMES:
        return f"{name!r} is the name of a built-in aggregator; write another one than {_RESERVED}"
    if len(name) > MOST_AGGREGATOR_NAME or not re.fullmatch(patterns.PATH_SEGMENT, name):
        return f"found {name[:64]!r}; write lower-case letters, digits and -, at most {MOST_AGGREGATOR_NAME} characters"
    return None


def _free_path(path: str) -> str:
    if path in RESERVED_NAMES:
        raise ValueError(f"{path!r} is the path of a built-in aggregator; write another one than {_RESERVED}")
    return path


FieldPath = Annotated[str, Field(pattern=patterns.FIELD_PATH, max_length=253)]
PathSegment = Annotated[
    str,
    Field(pattern=patterns.PATH_SEGMENT, max_length=63, json_schema_extra=also(_FREE)),
    AfterValidator(_free_path),
]
Variable = Annotated[str, Field(pattern=patterns.VARIABLE, max_length=63)]
HeaderName = Annotated[str, Field(pattern=patterns.HEADER_NAME, max_length=256)]
Parameter = Annotated[str, Field(min_length=1, max_length=64)]
Pattern = Annotated[str, Field(max_length=128)]
Format = Annotated[str, Field(min_length=1, max_length=64)]
"""As of ``strptime``."""
Expected = Annotated[dict[str, Any], WithJsonSchema({"type": "object", **_ANY_FORM})]
DirectionName = Literal["Forward", "RTO", "Reverse"]


def _source(given: Any) -> Any:
    """A path or several, written out."""
    if isinstance(given, bool | int | float):  # a member's name such as n, on or 0, which YAML reads as a value
        message = f"must be a path, found {str(given).lower()}: put it in quotes"
        raise ValueError(message)  # noqa: TRY004  pydantic reports only this type
    if isinstance(given, str):
        return {"paths": [given]}
    return {"paths": given} if isinstance(given, list) else given


def _listed(given: Any) -> Any:
    """One text, or several."""
    return [given] if isinstance(given, str) else given


def _patterns(given: Any) -> Any:
    """One pattern or several; numbers and flags are codes, too."""
    return [_code(part) for part in (given if isinstance(given, list) else [given])]


def _code(given: Any) -> Any:
    """The text of a code: a number or a flag in YAML is meant as its text."""
    if isinstance(given, bool):
        return "true" if given else "false"
    return str(given) if isinstance(given, int | float) else given


def _by_code(given: Any) -> Any:
    """A table by code."""
    return {_code(name): value for name, value in given.items()} if isinstance(given, dict) else given


def _key_place(given: Any) -> Any:
    """A header's name, ``{header: NAME}``, or the places written out."""
    if isinstance(given, str):
        return {"headers": [given]}
    if isinstance(given, dict) and isinstance(header := given.get("header"), str):
        return {name: value for name, value in given.items() if name != "header"} | {"headers": [header]}
    return given


class ValueSource(ApiModel):
    """Where a value comes from: the first of several paths that is not empty, joined paths, or a CEL expression."""

    paths: Annotated[list[FieldPath], Field(min_length=1, max_length=8)] | None = None
    path: FieldPath | None = None
    join: Annotated[list[FieldPath], Field(min_length=1, max_length=8)] | None = None
    cel: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    formats: Annotated[list[Format], Field(min_length=1, max_length=8)] | None = None
    trim: Annotated[str, Field(min_length=1, max_length=16)] | None = None
    """Characters to remove from both ends, besides spaces."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [self.paths, self.path, self.join, self.cel]
        if given.count(None) != len(given) - 1:
            raise ValueError('write a path, a list of paths, {join: [...]}, or {cel: "..."}')
        return self

    @property
    def candidates(self) -> tuple[str, ...]:
        """The paths to try, in order; empty for `join` and `cel`."""
        return (self.path,) if self.path is not None else tuple(self.paths or ())


Source = Annotated[ValueSource, BeforeValidator(_source), WithJsonSchema(_ANY_FORM)]


class DefinedKeyPlace(ApiModel):
    """Places of one key."""

    headers: Annotated[list[HeaderName], Field(max_length=8)] = Field([])
    query: Annotated[list[Parameter], Field(max_length=8)] = Field([])


class DefinedKey(ApiModel):
    """Where the key is."""

    headers: Annotated[list[HeaderName], Field(max_length=8, json_schema_extra=ATOMIC)] = Field(
        [], description="Headers that may contain the key, beside Authorization."
    )
    query: Annotated[list[Parameter], Field(max_length=8, json_schema_extra=ATOMIC)] = Field(
        [], description="Parameters of the URL that may contain the key, beside key and token."
    )
    all_of: Annotated[
        list[Annotated[DefinedKeyPlace, BeforeValidator(_key_place), WithJsonSchema(_ANY_FORM)]],
        Field(max_length=4, json_schema_extra=ATOMIC),
    ] = Field(
        [],
        description="Places that must each contain a key of the same account, a different one in each. An entry is the"
        " name of a header, or {headers: [...], query: [...]}.",
    )


class SignatureSpec(ApiModel):
    """A signature of the body: HMAC-SHA256 over its bytes, with a key of the account."""

    header: HeaderName = Field(description="Header that contains the signature.")
    encoding: Literal["Hex", "Base64"] = Field("Hex", description="How the signature is written.")
    prefix: Annotated[str, Field(max_length=64)] = Field("", description="Text before the signature, such as sha256=.")


class Authentication(ApiModel):
    """How a request identifies the client. A key in the URL, as in /notify/KEY, always works as well."""

    key: DefinedKey | None = Field(None, description="Where the key is.")
    signature: SignatureSpec | None = Field(
        None, description="The signature that a request must have, unless its URL contains the key."
    )


class UpdateStep(ApiModel):
    """One step from the body to its updates."""

    as_: Variable = Field(alias="as", description="Name of the element in the paths that follow.")
    in_: Annotated[
        list[FieldPath], Field(min_length=1, max_length=8), BeforeValidator(_listed), WithJsonSchema(_ANY_FORM)
    ] = Field(
        alias="in",
        description="Path of a list, or a list of paths: the first that is not empty. An object counts as a list of"
        " one; a missing one yields no updates.",
    )


class DefinedFields(ApiModel):
    """What the members mean. Each is a path, a list of paths (the first that is not empty), or {cel: "..."}."""

    awb: Source | None = Field(None, description="Air waybill number.")
    order_id: Source | None = Field(None, description="The client's order id.")
    courier: Source | None = Field(None, description="Name of the courier.")
    remark: Source | None = Field(None, description="The courier's remark.")
    location: Source | None = Field(None, description="Place of the event.")
    occurred_at: Source | None = Field(
        None,
        description="Time of the event. ISO 8601 and numbers since the epoch need no formats; others:"
        " {join: [date, time], formats: [...]}, with strptime's directives.",
    )
    estimated_delivery: Source | None = Field(None, description="Expected day of delivery.")
    revised_delivery: Source | None = Field(
        None, description="The new expected day of delivery, if the body has it beside the original one."
    )
    return_awb: Source | None = Field(None, description="AWB of the shipment's way back.")
    forward_awb: Source | None = Field(None, description="On a return: AWB of the original shipment.")
    return_reference: Source | None = Field(None, description="The aggregator's reference of the return order.")
    ndr_reason: Source | None = Field(None, description="Why a delivery failed; one of the canonical reasons.")
    attempt: Source | None = Field(None, description="Attempts so far to deliver or to collect.")
    qc_result: Source | None = Field(
        None, description="Result of the quality check of a return: P, pass, 1, true, or the opposite."
    )
    qc_reasons: Source | None = Field(
        None, description="Reasons of the quality check: a list, or a text with commas between them."
    )
    proof_of_delivery: Source | None = Field(None, description="Link to the proof of delivery, http or https.")
    otp_verified: Source | None = Field(
        None, description="Whether the recipient's one-time password was verified: true, 1, Y or yes, or the opposite."
    )
    test: Source | None = Field(None, description="Whether the body is the aggregator's own test.")


class StatusRow(ApiModel):
    """What a status means."""

    when: Annotated[
        list[Pattern], Field(min_length=1, max_length=4), BeforeValidator(_patterns), WithJsonSchema(_ANY_FORM)
    ] = Field(
        description='The value of status.code, or a list with one entry per value. "*" matches everything, "13*" every'
        " value that begins with 13."
    )
    status: Status = Field(strict=False, description="Canonical status.")
    direction: DirectionName | None = Field(None, description="Direction of the goods.")
    ndr_reason: Annotated[NdrReason | None, Field(strict=False)] = Field(
        None, description="Why the delivery failed, if the status implies it."
    )


class StatusSpec(ApiModel):
    """What the statuses mean."""

    code: Source = Field(
        description="Path of the status, or a list of paths whose values are joined by /. The word direction is the"
        " direction that `direction` shows: Forward, RTO or Reverse."
    )
    label: Source | None = Field(None, description="The aggregator's own words for the status.")
    table: Annotated[list[StatusRow], Field(max_length=1000, json_schema_extra=ATOMIC)] = Field(
        [], description="The first row that matches wins. Without one: UNKNOWN."
    )


class DirectionSpec(ApiModel):
    """The direction of the goods, where the row of the status names none."""

    of: Source = Field(description="Path of the member that shows the direction.")
    table: Annotated[dict[str, DirectionName], Field(max_length=64), BeforeValidator(_by_code)] = Field(
        description='Direction by value; "*" is for all others. Case and spaces do not matter.'
    )


class DefinitionLimits(ApiModel):
    """Bounds of the receiver for this aggregator."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=64 * 1024 * 1024)] | None = Field(
        None, description="Largest body in bytes. Default: that of the WebhookServer."
    )


class DefinitionSample(ApiModel):
    """A body, and the updates that must be read from it."""

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(description="Name, for messages.")
    body: Annotated[Any, WithJsonSchema(_ANY_FORM)] = Field(description="The body as JSON.")
    expect: Annotated[list[Expected], Field(max_length=100)] = Field(
        description="The updates, in order: fields by name, and status, direction, code, label. Only what is named is"
        " compared."
    )


class AggregatorDefinitionSpec(ApiModel):
    """How to read the bodies of an aggregator."""

    path: PathSegment = Field(description="Segment of the URL: POST {basePath}/PATH/notify.")
    authentication: Authentication = Field(
        default_factory=all_defaults(Authentication), description="How a request identifies the client."
    )
    setup: Annotated[str, Field(max_length=1024)] | None = Field(
        None, description="How to set up the aggregator's side, for the status of an AggregatorWebhook."
    )
    timezone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        "UTC", description="Zone of times without one: a name of the IANA database, such as Asia/Kolkata."
    )
    updates: Annotated[list[UpdateStep], Field(max_length=4, json_schema_extra=ATOMIC)] = Field(
        [], description="Steps from the body to each update. Default: the body itself, or each of its elements."
    )
    fields: DefinedFields = Field(description="What the members mean.")
    status: StatusSpec = Field(description="What the statuses mean.")
    direction: DirectionSpec | None = Field(None, description="Where the direction of the goods is.")
    identity: Annotated[list[FieldPath], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)] = Field(
        ["awb", "status", "occurredAt"],
        description="Fields or paths. Two reports with equal values are the same update.",
    )
    redact: Annotated[list[FieldPath], Field(max_length=64, json_schema_extra=ATOMIC)] = Field(
        [],
        description="Paths of members that are removed before storing and forwarding. A name that ends in * stands for"
        " all members that begin with the rest.",
    )
    limits: DefinitionLimits = Field(
        default_factory=all_defaults(DefinitionLimits), description="Bounds of the receiver."
    )
    samples: Annotated[list[DefinitionSample], Field(max_length=64, json_schema_extra=list_map("name"))] = Field(
        [], description="Bodies with the updates that must be read from them; checked before the definition is used."
    )
