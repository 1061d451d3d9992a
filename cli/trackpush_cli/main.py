"""The entry point of `trackpush`: finds the subcommand and imports only that one.

It turns errors into lines and exit codes. Subcommands are imported when they are run: importing the server and the
models takes several times as long as `trackpush --help` or shell completion may take.
"""

import difflib
import importlib
import io
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import click
from click.shell_completion import CompletionItem

from trackpush_cli.errors import INTERRUPTED, show
from trackpush_cli.program import program_name


class Entry(NamedTuple):
    """One subcommand: the module that contains its ``command``, and its line in the help."""

    module: str
    summary: str


COMMANDS = {
    "serve": Entry("trackpush_cli.serve", "Receive, store and push tracking updates."),
    "operator": Entry("trackpush_cli.operator", "Run the Kubernetes operator."),
    "check": Entry("trackpush_cli.check", "Check a folder of resources; list all errors."),
    "init": Entry("trackpush_cli.client.init", "Write a WebhookServer and its first client."),
    "client": Entry("trackpush_cli.client.command", "Write the resources of a new client."),
    "config": Entry("trackpush_cli.config_history", "Show the history of a server's configuration."),
    "diff": Entry("trackpush_cli.diff", "Show what a folder of resources would change in a server or a cluster."),
    "status": Entry("trackpush_cli.status.command", "List current problems on one screen."),
    "doctor": Entry(
        "trackpush_cli.doctor.command", "Check everything between an aggregator and a client, from outside in."
    ),
    "aggregators": Entry("trackpush_cli.aggregators.command", "List, test and write definitions of aggregators."),
    "send": Entry("trackpush_cli.send", "Post a tracking update as an aggregator would."),
    "test": Entry(
        "trackpush_cli.sample", "Send a signed test push to a client's endpoint, or a test message to people."
    ),
    "listen": Entry("trackpush_cli.listen", "Forward the pushes of a PushConfig to this machine."),
    "portal": Entry("trackpush_cli.portal", "Create, list and revoke links to the portal for clients' people."),
    "pushes": Entry("trackpush_cli.pushes", "Show pushes and their attempts."),
    "inbox": Entry("trackpush_cli.inbox", "Show unrecognised bodies, and parse them again."),
    "shipment": Entry("trackpush_cli.shipment", "Show one shipment: updates, pushes, answers."),
    "replay": Entry("trackpush_cli.replay", "Send ended pushes again."),
    "erase": Entry("trackpush_cli.erase", "Erase the stored data of a shipment or a client."),
    "reseal": Entry("trackpush_cli.reseal", "Encrypt stored bodies with the first key."),
    "journal": Entry("trackpush_cli.journal", "Move a journal between SQLite and PostgreSQL."),
    "demo": Entry("trackpush_cli.demo.command", "Run a demo: three clients, all aggregators, a live table."),
    "completion": Entry("trackpush_cli.completion", "Print a shell's completion script."),
    "crds": Entry("trackpush_cli.crds", "Write the CustomResourceDefinitions."),
    "schema": Entry("trackpush_cli.schema", "Write the JSON Schemas of notifications and the admin API."),
}


class LazyGroup(click.Group):
    """A group that knows its subcommands' names and summaries without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which users need them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(entry.module).command
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the subcommand; suggest the closest match for an unknown name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not near:
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]}?", ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and summaries, without importing the subcommands."""
        named = [CompletionItem(name, help=entry.summary) for name, entry in COMMANDS.items()]
        found = [completion for completion in named if completion.value.startswith(incomplete)]
        return found if found and not incomplete.startswith("-") else super().shell_complete(ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands from their summaries alone."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's callback signature
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import version  # noqa: PLC0415  only here, for a fast start

    from trackpush_cli.output import say  # noqa: PLC0415  same
    from trackpush_server.journal.sqlite.connection import library_version  # noqa: PLC0415  same

    say(f"trackpush {version('trackpush')}")
    say(f"SQLite {library_version()} (apsw {version('apsw')})")
    ctx.exit()


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=LazyGroup, context_settings=_CONTEXT)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Receives shipment tracking updates and pushes each to the client that it belongs to."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; expected errors become one line on stderr."""
    try:
        result = cli.main(arguments, prog_name=program_name(), standalone_mode=False)
    except click.ClickException as error:
        show(error)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        from trackpush_cli.output import say  # noqa: PLC0415  only here, for a fast start

        say("interrupted", err=True)
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a character that the terminal's encoding lacks must not end the command
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())
