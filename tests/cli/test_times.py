"""Every command that prints times for people has the option `--tz`: the commands are found in the code."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import click

import trackpush_cli
from support.rows import every_row
from trackpush_cli import moments, zones
from trackpush_cli.main import cli

_PRINTS = {zones.show_time, zones.time_beside_utc, moments.show_moment}


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


@cache
def _named_in(function: FunctionType) -> frozenset[FunctionType]:
    """The functions of the program that a function names, also those that it imports itself."""
    found: set[FunctionType] = set()
    names: dict[str, Any] = dict(function.__globals__)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("trackpush_cli"):
            for alias in node.names:
                names[alias.asname or alias.name] = _imported(node.module, alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found |= _functions(names.get(node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found |= _functions(getattr(names.get(node.value.id), node.attr, None))
    return frozenset(found)


def _imported(module: str, name: str) -> Any:
    loaded = importlib.import_module(module)
    return getattr(loaded, name) if hasattr(loaded, name) else importlib.import_module(f"{module}.{name}")


def _functions(value: Any) -> set[FunctionType]:
    value = inspect.unwrap(value) if callable(value) and not isinstance(value, type | click.Command) else value
    is_own = isinstance(value, FunctionType) and value.__module__.startswith("trackpush_cli")
    return {value} if is_own else set()


def prints_times(command: click.Command) -> bool:
    """Whether the command's function, or one that it calls, prints a time for people."""
    assert command.callback is not None
    start = inspect.unwrap(command.callback)
    assert isinstance(start, FunctionType)
    seen, waiting = {start}, [start]
    while waiting:
        function = waiting.pop()
        if function in _PRINTS:
            return True
        new = _named_in(function) - seen
        seen |= new
        waiting += new
    return False


COMMANDS = dict(commands(cli))


@every_row("name", COMMANDS)
def test_a_command_that_prints_times_has_the_option_tz(name: str) -> None:
    command = COMMANDS[name]
    has_option = any("--tz" in parameter.opts for parameter in command.params)
    assert has_option == prints_times(command)


def test_the_search_finds_commands_whose_times_are_printed_by_another_module() -> None:
    found = {name for name, command in COMMANDS.items() if prints_times(command)}
    assert {"pushes list", "pushes tail", "inbox list", "inbox show", "inbox summary", "erase", "shipment"} <= found


def test_times_for_people_are_formatted_in_one_module() -> None:
    """A module that formats a time itself would ignore `--tz`."""
    users = {module.__name__ for module in _modules() if hasattr(module, "show_moment")}
    assert users == {"trackpush_cli.moments", "trackpush_cli.zones"}


def _modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(trackpush_cli.__path__, "trackpush_cli."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)
