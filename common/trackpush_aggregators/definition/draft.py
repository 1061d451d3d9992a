"""Drafts a definition from a body: guesses what its members mean, and writes YAML with comments."""

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from trackpush_aggregators.definition.compiler import compile_definition
from trackpush_aggregators.definition.draft_guess import DraftGuess, UndraftableError, guess_parts
from trackpush_aggregators.definition.draft_text import DraftRow, draft_lines, shortened
from trackpush_aggregators.definition.faults import InvalidDefinitionError
from trackpush_aggregators.definition.guesses import guess_status
from trackpush_aggregators.definition.samples import updates_of
from trackpush_aggregators.document import decode, unwrap
from trackpush_aggregators.errors import MalformedBodyError
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, objection_to_definition_name
from trackpush_api.vocabulary import Status
from trackpush_api.yaml_reader import read_documents

_MOST_UPDATES: Final = 100


def draft(name: str, body: bytes) -> str:
    """A resource as YAML whose sample is this body; it passes its own test.

    Raises:
        UndraftableError: the body is not JSON, or no member of it can name a shipment.
    """
    wrong = objection_to_definition_name(name)
    if wrong is not None:
        raise UndraftableError(f"the name of the definition: {wrong}")
    try:
        document, encoded = unwrap(decode(body), body)
    except MalformedBodyError as error:
        raise UndraftableError(str(error)) from None
    guess = guess_parts(document)
    sample = shortened(document, encoded)
    rows, expected = _outcome(name, guess, sample)
    return "\n".join(draft_lines(name, guess, rows, expected, sample)) + "\n"


def _outcome(name: str, guess: DraftGuess, body: str) -> tuple[list[DraftRow], list[TrackingUpdate]]:
    """The rows of the table for the codes in the body, and the updates that the definition reads with them."""
    if guess.code is None:
        return [], _updates(name, guess, [], body)
    labels: dict[str, dict[str, None]] = {}
    for update in _updates(name, guess, [], body):
        if update.aggregator_code is not None:
            found = labels.setdefault(update.aggregator_code, {})
            if update.aggregator_label is not None:
                found[update.aggregator_label] = None
    rows = [_row(code, list(found)) for code, found in labels.items()]
    return rows, _updates(name, guess, rows, body)


def _row(code: str, labels: Sequence[str]) -> DraftRow:
    """The row of a code; UNKNOWN if its labels have several meanings, because then the code alone does not decide."""
    statuses = {guess_status(code, label) for label in labels or (None,)}
    certain = len(statuses) == 1
    return DraftRow(code, tuple(labels), statuses.pop() if certain else Status.UNKNOWN, certain)


def _updates(name: str, guess: DraftGuess, rows: Sequence[DraftRow], body: str) -> list[TrackingUpdate]:
    text = "\n".join(draft_lines(name, guess, rows, [], body))
    (document,) = read_documents(text)
    try:
        reader = compile_definition(name, AggregatorDefinitionSpec.model_validate(document.value["spec"]))
    except InvalidDefinitionError as error:
        raise UndraftableError(str(error.faults[0])) from None
    except ValidationError as error:
        raise UndraftableError(error.errors()[0]["msg"]) from None
    updates = list(updates_of(reader, body))
    if not updates or len(updates) > _MOST_UPDATES:
        raise UndraftableError(f"the body has {len(updates)} updates; use one with 1 to {_MOST_UPDATES}")
    return updates
