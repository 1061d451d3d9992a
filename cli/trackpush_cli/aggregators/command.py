"""`trackpush aggregators`: lists, tests, tries and drafts AggregatorDefinitions."""

import sys
import time
from pathlib import Path

import click

from trackpush_api.plurals import counted
from trackpush_cli.errors import CommandError, ProblemsFoundError
from trackpush_cli.output import output_option, print_data, print_table, say, say_json, say_text


@click.group("aggregators")
def command() -> None:
    """List, test and write definitions of aggregators."""


@command.command("list")
@output_option
def list_(*, output: str) -> None:
    """List the built-in aggregators and the catalog."""
    from trackpush_cli.aggregators.listing import COLUMNS, known_aggregators  # noqa: PLC0415  for a fast start

    rows = known_aggregators()
    if output == "table":
        print_table(COLUMNS, [tuple(map(str, row.values())) for row in rows])
    else:
        print_data(rows, output)


@command.command("show")
@click.argument("name")
def show(*, name: str) -> None:
    """Print a definition of the catalog as YAML, to start from."""
    from trackpush_cli.aggregators.listing import text_of_definition  # noqa: PLC0415  for a fast start

    say_text(text_of_definition(name))


@command.command("test", epilog="Exit code 1 if a definition has mistakes or a sample fails.")
@click.argument("definitions", metavar="[FILE|NAME]...", nargs=-1)
@click.option("--sample", help="Show the values of this sample and their sources.")
@click.option("-v", "--verbose", is_flag=True, help="Show the values of all samples and their sources.")
@output_option
def test(*, definitions: tuple[str, ...], sample: str | None, verbose: bool, output: str) -> None:
    """Check definitions by their samples: those in FILEs, or of the catalog.

    \b
    trackpush aggregators test parcelkit.yaml -v
    """  # noqa: D301 - click reads the control character
    from trackpush_cli.aggregators.definitions import find_definitions  # noqa: PLC0415  for a fast start
    from trackpush_cli.aggregators.testing import print_results, tested  # noqa: PLC0415  same

    results = [tested(definition) for definition in find_definitions(definitions)]
    print_results(results, output=output, sample=sample, verbose=verbose)
    failed = sum(not result.passes for result in results)
    if failed:
        verb = "fails" if failed == 1 else "fail"
        raise ProblemsFoundError(f"{failed} of {counted(len(results), 'definition')} {verb}; correct what is listed")


@command.command("try")
@click.argument("definition", metavar="FILE|NAME")
@click.option("--body", "body_file", required=True, help="File with the body of a request ('-': standard input).")
def try_(*, definition: str, body_file: str) -> None:
    """Print the notifications that a body becomes, by a definition in a FILE, of the catalog, or built in.

    \b
    trackpush aggregators try parcelkit.yaml --body body.json
    """  # noqa: D301 - click reads the control character
    from trackpush_cli.aggregators.trying import notifications_json  # noqa: PLC0415  for a fast start

    shown, others = notifications_json(definition, _read(body_file, "--body"), received_at=int(time.time() * 1000))
    say_json(shown)
    for line in others:
        say(line, err=True)


@command.command("init")
@click.argument("name")
@click.option("--sample", "sample_file", required=True, help="File with a body that the aggregator sent.")
def init(*, name: str, sample_file: str) -> None:
    """Write a first definition for a body to standard output, with comments where something was guessed.

    \b
    trackpush aggregators init parcelkit --sample body.json > parcelkit.yaml
    """  # noqa: D301 - click reads the control character
    from trackpush_aggregators.definition.draft import draft  # noqa: PLC0415  for a fast start
    from trackpush_aggregators.definition.draft_guess import UndraftableError  # noqa: PLC0415  same

    try:
        drafted = draft(name, _read(sample_file, "--sample"))
    except UndraftableError as error:
        raise CommandError(f"--sample {sample_file}: {error}") from None
    say_text(drafted)


def _read(file: str, option: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{option} {file}: {error.strerror}") from None
