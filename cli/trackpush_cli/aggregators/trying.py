"""What a body becomes: the notifications of its updates, as JSON."""

import msgspec

from trackpush_aggregators import BUILT_IN, MalformedBodyError, Reader, TooManyUpdatesError, decode, parse
from trackpush_aggregators.definition import InvalidDefinitionError, compile_definition
from trackpush_aggregators.definition.emptiness import why_no_update
from trackpush_aggregators.document import unwrap
from trackpush_aggregators.updates import notification
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec
from trackpush_api.plurals import counted
from trackpush_cli.aggregators.definitions import find_definition
from trackpush_cli.errors import CommandError, ProblemsFoundError


def notifications_json(given: str, body: bytes, *, received_at: int) -> tuple[str, list[str]]:
    """The notifications as JSON, and lines about what else the body contains.

    Raises:
        CommandError: there is no such definition, or it has mistakes.
        ProblemsFoundError: the body is not JSON.
    """
    reader, spec = _reader(given)
    try:
        document = decode(body)
        parsed = parse(reader, document, body, key=None, received_at=received_at)
    except (MalformedBodyError, TooManyUpdatesError) as error:
        raise ProblemsFoundError(str(error)) from None
    made = [notification(update, received_at) for update in parsed.updates]
    lines = []
    if parsed.leftovers:
        count = counted(len(parsed.leftovers), "part")
        lines.append(f"{count} of the body names no shipment; a server would keep it in the inbox")
        if not made and spec is not None:
            lines.append(why_no_update(spec, unwrap(document, body)[0]))
    elif not made:
        lines.append("the body contains no update and nothing else: a server would answer it as a probe")
    return msgspec.json.format(msgspec.json.encode(made), indent=2).decode(), lines


def _reader(given: str) -> tuple[Reader, AggregatorDefinitionSpec | None]:
    """The reader, and the spec if a definition has it."""
    built_in = {name.lower(): reader for name, reader in BUILT_IN.items()}.get(given.lower())
    if built_in is not None:
        return built_in, None
    definition = find_definition(given)
    if definition.spec is None:
        raise CommandError(*map(str, definition.problems))
    try:
        return compile_definition(definition.name, definition.spec), definition.spec
    except InvalidDefinitionError as error:
        resource = definition.resource
        raise CommandError(*(str(resource.problem(fault.field, fault.message)) for fault in error.faults)) from None
