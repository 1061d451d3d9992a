"""The base of the models of all kinds: camelCase in YAML, unknown fields refused, Secrets only by reference."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from trackpush_api.kinds import patterns
from trackpush_api.quantities import DURATION_PATTERN
from trackpush_api.vocabulary import Aggregator

GROUP = "trackpush.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class ApiModel(BaseModel):
    """Base of all parts of a resource."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, frozen=True, strict=True)


Model = TypeVar("Model", bound=ApiModel)


def all_defaults(model: type[Model]) -> Callable[[], Model]:
    """A factory of this model with its defaults: one frozen instance, which all resources share to save memory."""
    return cache(lambda: model.model_validate({}))


def rule(expression: str, message: str) -> dict[str, str]:
    """A CEL rule of the CRD; ``message`` says what to do."""
    return {"rule": expression, "message": message}


def also(*entries: dict[str, str]) -> dict[str, Any]:
    """Schema extras of a field for which the API server checks these CEL rules in addition to its pattern."""
    return {"x-kubernetes-validations": [dict(entry) for entry in entries]}


def checked_by(*entries: dict[str, str]) -> ConfigDict:
    """The configuration of a model for which the API server checks these CEL rules."""
    return ConfigDict(json_schema_extra={"x-kubernetes-validations": [dict(entry) for entry in entries]})


def list_map(*keys: str) -> dict[str, Any]:
    """Schema extras of a list whose entries have these fields as their key."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}

MORE_THAN_ZERO = rule("self.matches('[1-9]')", "must be more than 0: write a duration such as 10s")
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
PositiveDuration = Annotated[
    str, Field(pattern=DURATION_PATTERN, max_length=32, json_schema_extra=also(MORE_THAN_ZERO))
]
Name = Annotated[str, Field(pattern=patterns.NAME, min_length=1, max_length=253)]
Cidr = Annotated[str, Field(pattern=patterns.CIDR, max_length=50)]
Code = Annotated[str, Field(min_length=1, max_length=64)]


def _spelled_as_defined(name: str) -> str:
    if name in _WRONG_CASE:
        raise ValueError(f"found {name!r}; did you mean {_WRONG_CASE[name]}?")
    return name


_WRONG_CASE = {each.slug: each.value for each in Aggregator}
MOST_AGGREGATOR_NAME = 63
AggregatorReference = Annotated[
    str,
    Field(
        pattern=patterns.AGGREGATOR,
        max_length=MOST_AGGREGATOR_NAME,
        json_schema_extra=also(
            rule(f"!(self in {sorted(_WRONG_CASE)})", f"write the name as it is defined: {', '.join(Aggregator)}")
        ),
    ),
    AfterValidator(_spelled_as_defined),
]
"""The name of a built-in aggregator or of an AggregatorDefinition."""
AggregatorReferences = Annotated[list[AggregatorReference], Field(min_length=1, max_length=64, json_schema_extra=SET)]


class SecretKeySelector(ApiModel):
    """One key of a Secret in the resource's own namespace."""

    name: Name = Field(description="Name of the Secret.")
    key: str = Field(min_length=1, max_length=253, pattern=patterns.DATA_KEY, description="Key within the Secret.")


class SecretSource(ApiModel):
    """A value from a Secret."""

    secret_key_ref: SecretKeySelector = Field(description="Secret and key that contain the value.")
