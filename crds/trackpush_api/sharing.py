"""Equal specs, and equal parts of specs, become one object: thousands of resources from one template stay small. Pure.

Of a validated model, pydantic keeps a set of the fields that were given, which takes more memory than the values of a
small model. Models with the same fields share this set.
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
    for name in given:  # defaults are shared already
        value = values[name]
        if isinstance(value, ApiModel):
            values[name] = _shared(value)
        elif type(value) is list:
            value[:] = [_shared(entry) if isinstance(entry, ApiModel) else entry for entry in value]
    return model


def _shared(part: ApiModel) -> ApiModel:
    try:
        return _same_part(part)
    except TypeError:  # a model that holds a list can't be looked up, but the list's entries can
        return share_parts(part)


@lru_cache(maxsize=1024)
def _same_part(part: ApiModel) -> ApiModel:
    return share_parts(part)


@lru_cache(maxsize=1024)
def _same_names(names: frozenset[str]) -> set[str]:
    return set(names)
