"""What the pages name exists: commands, options, metrics, files, make's targets, variables, fields, values."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from trackpush_api.crdgen import definitions
from trackpush_api.vocabulary import Status
from trackpush_cli.main import cli

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_PUSH_ID: Final = f"psh_{'0' * 32}-{'0' * 8}"
_FENCE: Final = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_COMMENT: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_SPAN: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CALL: Final = re.compile(r"(?:^|kubectl |/|[A-Z]=\S+ |until |\(|\| |&& )trackpush ([a-z].*)")
_AFTER: Final = re.compile(r"\s(?:[|&;]|\d?>)|\)\s*$")
_TOP: Final = "benchmarks|cli|common|crds|docs|helm|images|manifests|operator|site_tools|tests|webhook_server"
_ENDINGS: Final = "c|css|go|html|js|json|md|py|sql|tpl|yaml"

_OTHERS: Final = frozenset(
    {
        *("--set", "--force-conflicts", "--server-side", "--enable-feature", "--dist"),
        *("server.address", "server.port", "url.scheme"),
        *("portal.enter", "portal.link", "portal.revoke"),
        *("portal.applied", "portal.change", "portal.refused"),
    }
)
"""Of helm, Prometheus, OpenTelemetry and pytest; and actions of the audit log."""
_NO_METRICS: Final = frozenset(
    {
        "trackpush_api",
        "trackpush_cli",
        "trackpush_operator",
        "trackpush_runtime",
        "trackpush_aggregators",
        "trackpush_server",
        "trackpush_ingest_requests_per_second",  # an adapter makes it of trackpush_ingest_requests_total
    }
)
_SCALARS: Final = ("string", "integer", "number", "boolean")
_CONTEXT: Final = click.Context(cli)
_MADE: Final = frozenset(
    {"settings.json", "00.json", "62.json", "shard.json", ".cache/bench/TIME.json", "portal/CLIENT/NAME.yaml"}
)
"""Files that the operator, the benchmarks and the portal make."""

_ELSEWHERE: Final = re.compile(r"_(?:track|status)\.md$|.*\bswiftline\b")
"""Files of an aggregator's own repository, and of the invented aggregator that a page adds."""


class Named(NamedTuple):
    """Something that a page names, and where."""

    page: str
    text: str
    shown: bool
    """In a block of commands, not in a sentence."""


def found_wrong(wrong: Iterable[tuple[str, ...]]) -> None:
    """Fail, and tell all."""
    told = sorted(" | ".join(row) for row in wrong)
    assert not told, "\n" + "\n".join(told)


def spans() -> Iterator[Named]:
    """All code in sentences."""
    for page in PAGES:
        text = _FENCE.sub("", _COMMENT.sub("", page.read_text(encoding="utf-8")))
        for span in _SPAN.findall(text):
            yield Named(str(page.relative_to(ROOT)), span, shown=False)


def shell_lines() -> Iterator[Named]:
    """All lines of blocks of shell, continued ones as one."""
    for page in PAGES:
        for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
            if language in {"sh", "console", "bash"}:
                for line in block.replace("\\\n", " ").splitlines():
                    yield Named(str(page.relative_to(ROOT)), line.strip().removeprefix("$ "), shown=True)


def commands() -> Iterator[Named]:
    """Each call of trackpush, from its name to the end of the command."""
    for named in (*spans(), *shell_lines()):
        for call in _CALL.findall(named.text):
            yield named._replace(text=_AFTER.split(call)[0])


def parse(words: list[str]) -> None:
    """Read a command line as `trackpush` does, without running it."""
    command: click.Command | None = cli
    while isinstance(command, click.Group) and words:
        name, *words = words
        command = command.get_command(_CONTEXT, name)
    assert command is not None, "no such command"
    if isinstance(command, click.Group):
        return
    command.make_context("trackpush", words)


def trouble(named: Named) -> str | None:
    """Why the program would not take the command line."""
    text = re.sub(r"\bpsh_…-…|\bID\b|(?<=--id )…", _PUSH_ID, named.text)
    text = re.sub(r"\bN\b", "2", re.sub(r"(?<! --awb) …$", "", text))
    try:
        parse(shlex.split(text, comments=True))
    except (click.MissingParameter, click.BadOptionUsage) as error:
        return error.format_message() if named.shown else None  # a sentence may leave out what they need
    except (click.ClickException, AssertionError) as error:
        return str(error) or type(error).__name__
    return None


def test_every_command_line_is_one_that_the_program_takes() -> None:
    calls = list(commands())

    assert len(calls) > 50
    found_wrong((call.page, call.text, why) for call in calls if (why := trouble(call)))


def below(group: click.Group) -> list[click.Command]:
    """Its subcommands."""
    found = (group.get_command(_CONTEXT, name) for name in group.list_commands(_CONTEXT))
    return [command for command in found if command is not None]


def options(command: click.Command) -> set[str]:
    """All of a command and of those below it."""
    found = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(command, click.Group):
        found |= {name for subcommand in below(command) for name in options(subcommand)}
    return found


def synopses() -> Iterator[tuple[str, str]]:
    """The first word of each usage in docs/cli.md, and its options."""
    for language, block in _FENCE.findall((ROOT / "docs/cli.md").read_text(encoding="utf-8")):
        for usage in re.split(r"^(?:kubectl )?trackpush ", block, flags=re.MULTILINE)[1:] if not language else ():
            for option in re.findall(r"(?<!\S)[\[(]*(--?[a-z][\w-]*)", usage):
                yield usage.split()[0], option


def test_every_option_of_a_usage_is_one_of_its_command() -> None:
    named = list(synopses())

    assert len(named) > 60
    found_wrong(
        (name, option) for name, option in named if option not in options(cli.get_command(_CONTEXT, name) or cli)
    )


def test_every_option_that_a_sentence_names_is_somebodys() -> None:
    benchmarks = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "benchmarks").glob("*.py"))
    known = options(cli) | _OTHERS | set(re.findall(r'"(--[a-z-]+)"', benchmarks))
    named = {
        (span.page, option)
        for span in spans()
        for option in re.findall(r"^(--[a-z][\w-]*)", span.text)
        if span.text[0] == "-"
    }

    assert len(named) > 30
    found_wrong((page, option) for page, option in named if option not in known)


def test_every_metric_is_one_of_the_page_of_metrics() -> None:
    told = set(re.findall(r"^\| `(trackpush_\w+)", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    named = {
        (str(page.relative_to(ROOT)), name, star)
        for page in PAGES
        for name, star in re.findall(r"\b(trackpush_[a-z_]+)(\*?)", page.read_text(encoding="utf-8"))
        if name.rstrip("_") not in _NO_METRICS
    }

    def known(name: str, star: str) -> bool:
        plain = re.sub(r"_(bucket|sum|count)$", "", name)
        return any(metric.startswith(name) for metric in told) if star else bool({name, plain} & told)

    assert len(named) > 60
    found_wrong((page, name) for page, name, star in named if not known(name, star))


def tree() -> set[str]:
    """Every file of the repository, and every folder."""
    files = {
        path.relative_to(ROOT).as_posix()
        for top in (*_TOP.split("|"), "LICENSE", "Makefile", "pyproject.toml", "constraints.txt", "mkdocs.yml", ".ci")
        for path in [ROOT / top, *(ROOT / top).rglob("*")]
        if "__pycache__" not in path.parts and "node_modules" not in path.parts
    }
    return files | {"README.md", "CHANGELOG.md"}


def test_every_path_of_the_repository_exists() -> None:
    known = tree()
    looks = re.compile(rf"^(?:(?:{_TOP})/[\w./*{{}},-]+|[\w./-]+\.(?:{_ENDINGS}))$")

    def exists(text: str) -> bool:
        pattern = re.compile(rf"(?:.*/)?{re.escape(text.rstrip('/')).replace(re.escape('*'), '[^/]*')}")
        return any(pattern.fullmatch(path) for path in known)

    named = {
        (span.page, span.text)
        for span in spans()
        if looks.match(span.text) and span.text not in _MADE and not _ELSEWHERE.match(span.text) and span.text[0] != "/"
    }
    assert len(named) > 60
    found_wrong((page, text) for page, text in named if not exists(text))


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (span.page, target)
        for span in (*spans(), *shell_lines())
        for target in re.findall(r"^make ([a-z0-9-]+)", span.text)
    }

    assert len(named) > 10
    found_wrong((page, target) for page, target in named if target not in targets)


def variables(command: click.Command) -> set[str]:
    """Environment variables that stand for options of a command and of its subcommands."""
    found = {str(parameter.envvar) for parameter in command.params if parameter.envvar}
    if isinstance(command, click.Group):
        found |= {name for subcommand in below(command) for name in variables(subcommand)}
    return found


def test_every_variable_of_ours_is_read_somewhere() -> None:
    sources = [path for top in _TOP.split("|") for path in (ROOT / top).rglob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in (*sources, ROOT / "Makefile"))
    known = variables(cli) | set(re.findall(r"\bTRACKPUSH_[A-Z_]+", code))
    named = {
        (str(page.relative_to(ROOT)), name)
        for page in PAGES
        for name in re.findall(r"\b(TRACKPUSH_[A-Z_]+)", page.read_text(encoding="utf-8"))
    }

    assert len(named) > 5
    found_wrong((page, name) for page, name in named if name not in known)


def is_field(path: str, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether a dotted path leads to a field, or into something that takes any."""
    for part in path.split("."):
        inner = resolved(schema.get("items", schema), whole)
        if "properties" not in inner:
            return inner.get("type") not in _SCALARS
        if part not in inner["properties"]:
            return False
        schema = resolved(inner["properties"][part], whole)
    return True


def resolved(schema: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return whole["$defs"][reference.removeprefix("#/$defs/")] if reference else schema


def test_every_field_of_kinds_notifications_and_the_charts_values_exists() -> None:
    kinds = [definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for definition in definitions().values()]
    values = json.loads((ROOT / "helm/trackpush/values.schema.json").read_text())
    notification = json.loads((ROOT / "docs/schemas/notification.v1.json").read_text())
    schemas = [*kinds, *(kind["properties"]["spec"] for kind in kinds), values, notification]
    types = {f"shipment.{status.lower()}" for status in Status}
    first = {name for schema in schemas for name in schema["properties"]}
    named = {
        (span.page, re.sub(r"\[\w*\]", "", path))
        for span in spans()
        for path in re.findall(r"^([a-zA-Z]+(?:\.[a-zA-Z]+(?:\[\w*\])?)+)(?=$|[:= ])", span.text)
        if path.partition(".")[0] in first
        and path not in _OTHERS | types
        and not path.endswith((".py", ".md", ".yaml"))
    }
    wrong = [(page, path) for page, path in named if not any(is_field(path, schema, schema) for schema in schemas)]
    named_values = {
        (span.page, path)
        for span in (*spans(), *shell_lines())
        for setting in re.findall(r"--set(?:-string|-json)? (\S+)", span.text)
        for path in re.findall(r"(?:^|,)([a-zA-Z.]+)=", setting)
    }
    wrong += [(page, path) for page, path in named_values if not is_field(path, values, values)]

    assert len(named) > 60
    assert len(named_values) > 3
    found_wrong(wrong)
