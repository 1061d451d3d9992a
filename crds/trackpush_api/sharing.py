"""Makes equal specs, and equal parts of specs, one object. Pure.

Thousands of resources from one template then take little memory.

For each validated model, pydantic keeps a set of the given fields, which takes more memory than the values of a small
model. Models with the same fields share this set.
"""

from functools import lru_cache
from typing import TypeVar

from trackpush_api.kinds.base import ApiModel

Model = TypeVar("Model", bound=ApiModel)


def share_parts(model: Model) -> Model:
    """The same model, with equal parts shared with earlier models."""
    given = _same_names(frozenset(model.model_fields_set))
    object.__setattr__(model, "__pydantic_fields_set__", given)
    values = model.__dict__
    for name in given:  # defaults are already shared
        value = values[name]
        if isinstance(value, ApiModel):
            values[name] = _shared(value)
        elif type(value) is list:
            value[:] = [_shared(entry) if isinstance(entry, ApiModel) else entry for entry in value]
    return model


def _shared(part: ApiModel) -> ApiModel:
    try:
        return _same_part(part)
    except TypeError:  # a model with a list isn't hashable, but the list's entries may be
        return share_parts(part)


@lru_cache(maxsize=1024)
def _same_part(part: ApiModel) -> ApiModel:
    return share_parts(part)


@lru_cache(maxsize=1024)
def _same_names(names: frozenset[str]) -> set[str]:
    return set(names)
