"""Parts of a spec that describe requests: PushConfigs and notifications have the same."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from trackpush_api.kinds import patterns
from trackpush_api.kinds.base import ATOMIC, ApiModel, SecretSource, also, checked_by, list_map, rule
from trackpush_api.kinds.reserved import RESERVED, RESERVED_PREFIX

_NOT_RESERVED = rule(
    f"!(self.lowerAscii() in {sorted(RESERVED)}) && !self.lowerAscii().startsWith('{RESERVED_PREFIX}')",
    "Trackpush itself sets this header; remove it",
)
_NAMED_ONCE = rule(
    "self.all(h, self.exists_one(g, g.name.lowerAscii() == h.name.lowerAscii()))",
    "a header is set twice (upper and lower case are the same); remove one",
)
HeaderName = Annotated[str, Field(pattern=patterns.HEADER_NAME, min_length=1, max_length=128)]
_ONE_VALUE = "set exactly one of value and valueFrom"


class Header(ApiModel):
    """A header of every request."""

    model_config = checked_by(rule("has(self.value) != has(self.valueFrom)", _ONE_VALUE))

    name: HeaderName = Field(
        json_schema_extra=also(_NOT_RESERVED),
        description="Header name. Trackpush sets Host, Content-Length, webhook-id and the like itself.",
    )
    value: Annotated[str, Field(max_length=8192, pattern=patterns.HEADER_VALUE)] | None = Field(
        None, description="A value that is not secret."
    )
    value_from: SecretSource | None = Field(None, description="The value from a Secret.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.value is None) == (self.value_from is None):
            raise ValueError(_ONE_VALUE)
        return self


UNIQUE_HEADERS = list_map("name") | also(_NAMED_ONCE)
"""Schema extras of a list of headers."""


class Signing(ApiModel):
    """Standard Webhooks signatures."""

    secrets: Annotated[list[SecretSource], Field(min_length=1, max_length=4, json_schema_extra=ATOMIC)] = Field(
        description="whsec_… secrets. Every request has one signature per secret, in this order, for rotation."
    )
