"""Composes bodies in the format of a definition, from its samples: for `trackpush send`."""

import copy
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from trackpush_aggregators.composing import Event
from trackpush_aggregators.definition.body_writer import BodyWriter
from trackpush_aggregators.definition.compiler import compile_definition, compile_steps
from trackpush_aggregators.definition.faults import FaultList
from trackpush_aggregators.definition.paths import Scope, Variables
from trackpush_aggregators.definition.samples import encoded_body, updates_of
from trackpush_aggregators.definition.steps import nested
from trackpush_aggregators.document import decode, unwrap
from trackpush_aggregators.errors import MalformedBodyError, TooManyUpdatesError
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_aggregators.values import is_indexed
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.vocabulary import AggregatorName, Status

_MOST_UPDATES: Final = 50
"""Updates of a sample from which bodies are composed: each needs a copy of the sample."""


class Template(NamedTuple):
    """A body with one update, and the scope of this update. The values of the scope are parts of the body."""

    body: Any
    scope: Scope


def composable_by(name: AggregatorName, spec: AggregatorDefinitionSpec) -> frozenset[Status]:
    """The statuses of the samples, and those of the table whose codes can be written into a sample.

    Raises:
        InvalidDefinitionError: the definition has mistakes.
    """
    composer = DefinitionComposer(name, spec)
    shown = {composer.status_of(template) for template in composer.templates()}
    listed = {row.status for row in spec.status.table}
    return frozenset(status for status in Status if status in shown or (status in listed and composer.find(status)))


def compose_defined(name: AggregatorName, spec: AggregatorDefinitionSpec, status: str, event: Event) -> bytes:
    """A body that is read as this status: that of a sample, with another shipment and time.

    If no sample has the status, a sample gets the codes of a row of the table that has it.

    Raises:
        InvalidDefinitionError: the definition has mistakes.
        ValueError: no body can be composed; the message says why, and names the statuses that can be.
    """
    composer = DefinitionComposer(name, spec)
    template = composer.find(status)
    if template is None:
        listed = ", ".join(sorted(composable_by(name, spec))) or "none"
        raise ValueError(f"no sample or row of {name} gives the status {status}; these can be sent: {listed}")
    return composer.compose(template, event)


class DefinitionComposer:
    """Composes the bodies of one definition."""

    def __init__(self, name: AggregatorName, spec: AggregatorDefinitionSpec) -> None:
        """Compile the definition.

        Raises:
            InvalidDefinitionError: the definition has mistakes.
        """
        self._name = name
        self._spec = spec
        self._reader = compile_definition(name, spec)
        names, self._steps = compile_steps(spec, FaultList())
        self._writer = BodyWriter(spec, Variables(names, implicit=not self._steps))

    def templates(self) -> Iterator[Template]:
        """A template for each update of the samples."""
        for sample in self._spec.samples:
            try:
                encoded = encoded_body(sample.body)
                document = msgspec.json.decode(unwrap(decode(encoded), encoded)[1])
            except MalformedBodyError:  # a failure of the sample, which other commands report
                continue
            for place in range(min(_MOST_UPDATES, len(list(self._scopes(document))))):
                yield self._template(copy.deepcopy(document), place)

    def find(self, status: str) -> Template | None:
        """The template of a status: that of a sample, or else one with the codes of a row."""
        return next((each for each in self.templates() if self.status_of(each) == status), None) or next(
            self._with_codes(status), None
        )

    def compose(self, template: Template, event: Event) -> bytes:
        """The template with the data of an event; it is changed.

        Raises:
            ValueError: the AWB can't be written, because the definition computes it.
        """
        before = self._update(template)
        self._writer.write(template.scope, event)
        after = self._update(template)
        if before is None or after is None or after.status != before.status:
            raise ValueError(f"a sample of {self._name} with another AWB and time is not read as the same status")
        if before.awb is not None and after.awb != event.awb:
            raise ValueError(f"the definition of {self._name} computes the AWB, so no other can be written")
        return msgspec.json.format(msgspec.json.encode(template.body), indent=2)

    def status_of(self, template: Template) -> Status | None:
        """The status of the template's only update."""
        update = self._update(template)
        return None if update is None else update.status

    def _with_codes(self, status: str) -> Iterator[Template]:
        for row in self._spec.status.table:
            for template in self.templates() if row.status == status else ():
                self._writer.write_codes(template.scope, row.when)
                if self.status_of(template) == status:
                    yield template

    def _update(self, template: Template) -> TrackingUpdate | None:
        try:
            updates = updates_of(self._reader, template.body)
        except (MalformedBodyError, TooManyUpdatesError):
            return None
        return updates[0] if len(updates) == 1 else None

    def _scopes(self, document: Any) -> Iterable[Scope]:
        """The scopes of the possible updates of a document."""
        bodies = document if self._reader.batches(document) else [document]
        return [scope for body in bodies for scope in (nested((body,), self._steps) if self._steps else ((body,),))]

    def _template(self, document: Any, place: int) -> Template:
        """The scope at this place, after its neighbours were removed from the lists of the body."""
        scope = list(self._scopes(document))[place]
        for number, step in enumerate(self._steps, 1):
            found = step.find(scope[:number])
            if found is not None:
                _keep_only(found[0], scope[number])
        return Template(scope[0], scope)


def _keep_only(holder: Any, element: Any) -> None:
    if isinstance(holder, list):
        holder[:] = [element]
    elif isinstance(holder, dict) and is_indexed(holder):
        holder.clear()
        holder["0"] = element
