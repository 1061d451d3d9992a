"""The command."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from trackpush_cli.doctor import destinations, hosts, library, receiver, resources, view
from trackpush_cli.doctor import server as running
from trackpush_cli.doctor.outcome import CheckResult, warn
from trackpush_cli.doctor.subject import CheckScope, of_cluster, of_folder
from trackpush_cli.errors import PROBLEMS, CommandError
from trackpush_cli.output import output_option, print_data
from trackpush_cli.program import program_name
from trackpush_cli.server_options import ServerChoice, server_options
from trackpush_server.definitions import definitions_in_use


@click.command(
    "doctor", epilog="Exit code: 0 if no check failed (warnings don't count); 1 if one failed; 2 if it can't start."
)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--url", metavar="URL", help="Scheme, host and port to probe instead of spec.hosts.")
@click.option("--connect", metavar="ADDRESS:PORT", help="Connect to this address instead of the one in DNS.")
@server_options
@output_option
def command(*, directory: Path | None, url: str | None, connect: str | None, server: ServerChoice, output: str) -> int:
    """Check everything between an aggregator and a client, from outside in.

    Checks the server in a cluster, or the resources in DIR. Nothing is changed, stored or pushed.
    """
    found = list(_examine(directory, url, _address(connect), server))
    if output == "table":
        view.show(found)
    else:
        print_data({"checks": msgspec.to_builtins(found)}, output)
    return PROBLEMS if any(outcome.result == "fail" for outcome in found) else 0


def _examine(
    directory: Path | None, url: str | None, via: tuple[str, int] | None, choice: ServerChoice
) -> Iterator[CheckResult]:
    if directory is not None:
        subject = of_folder(directory, choice.server)
        yield from _outside(subject, url, via)
        if choice.admin is not None:
            yield from running.examine(choice.open(), subject.server.full_name)
        yield from library.examine()
        yield from _inside(subject, from_elsewhere=False)
        return
    access = choice.cluster(instead=f"{program_name()} doctor DIR checks the folder that the server reads")
    subject = of_cluster(access, choice)
    yield from _outside(subject, url, via)
    from trackpush_cli.status import cluster  # noqa: PLC0415  slow to import

    state = cluster.look(access, choice._replace(server=subject.server.full_name))
    yield from running.of_state(state.servers, state.findings)
    yield from _inside(subject, from_elsewhere=True)


def _outside(subject: CheckScope, url: str | None, via: tuple[str, int] | None) -> Iterator[CheckResult]:
    urls = list(subject.urls()) if url is None else list(_instead(subject, url))
    if not urls:
        message = "spec.hosts is empty: only the Service's own name is served"
        yield warn("dns", subject.server.title, message, "add the host that aggregators post to, or give --url")
    broken = set()
    for way in dict.fromkeys(receiver.way_to(address, via) for _, address in urls):
        for outcome in hosts.examine(way):
            yield outcome
            if outcome.result == "fail":
                broken.add(way)
    definitions = {} if subject.table is None else definitions_in_use(subject.table.server.definitions)
    for aggregator, address in urls:
        if receiver.way_to(address, via) not in broken:
            definition = definitions.get(aggregator)
            yield from receiver.examine(
                aggregator,
                address,
                via,
                max_body=subject.spec.limits.max_body_bytes,
                headers=() if definition is None else definition.header_names,
            )


def _inside(subject: CheckScope, *, from_elsewhere: bool) -> Iterator[CheckResult]:
    yield from resources.examine(subject)
    if subject.table is not None:
        yield from asyncio.run(_destinations(subject, from_elsewhere=from_elsewhere))


async def _destinations(subject: CheckScope, *, from_elsewhere: bool) -> list[CheckResult]:
    assert subject.table is not None
    return [outcome async for outcome in destinations.examine(subject.table, from_elsewhere=from_elsewhere)]


def _instead(subject: CheckScope, url: str) -> Iterator[tuple[str, str]]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(f"--url {url}: give http://HOST:PORT or https://HOST")
    for aggregator, path in subject.paths():
        yield aggregator, f"{parts.scheme}://{parts.netloc}{path}"


def _address(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise CommandError(f"--connect {text}: give ADDRESS:PORT, such as 203.0.113.7:443")
    return host.strip("[]"), int(port)
