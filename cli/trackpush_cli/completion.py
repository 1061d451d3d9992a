"""`trackpush completion`: scripts for bash, zsh and fish, and the program for kubectl's completion of plugins.

kubectl runs `kubectl_complete-trackpush WORD… PREFIX`. The output has one candidate per line, then `:` and a number
that says what else the shell should do (cobra's directives).
"""

import sys
from typing import Final, NoReturn

import click
from click.shell_completion import ShellComplete, get_completion_class

_VARIABLE: Final = "_TRACKPUSH_COMPLETE"
_write = click.echo  # noqa: TID251  text of our own, without rich: the shell asks at every Tab
_NO_FILES: Final = 4
_FILES: Final = 0


@click.command("completion", epilog="For kubectl: `kubectl_complete-trackpush` must be on the PATH; pip puts it there.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(*, shell: str) -> None:
    """Print a shell's completion script: `source <(trackpush completion bash)`."""
    kind = get_completion_class(shell)
    assert kind is not None
    _write(kind(_group(), {}, "trackpush", _VARIABLE).source())


def candidates(words: list[str]) -> tuple[list[tuple[str, str]], bool]:
    """Candidates for the last word with their help, and whether file names are possible, too."""
    *before, prefix = words or [""]
    found = ShellComplete(_group(), {}, "trackpush", _VARIABLE).get_completions(before, prefix)
    named = [(completion.value, completion.help or "") for completion in found if completion.type == "plain"]
    return named, any(completion.type != "plain" for completion in found)


def kubectl() -> NoReturn:
    """The program `kubectl_complete-trackpush`."""
    named, files = candidates(sys.argv[1:])
    for name, text in named:
        _write(f"{name}\t{text}" if text else name)
    _write(f":{_FILES if files else _NO_FILES}")
    sys.exit(0)


def _group() -> click.Command:
    from trackpush_cli.main import cli  # noqa: PLC0415  it imports this module by name

    return cli
