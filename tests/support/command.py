"""Runs `trackpush`: as a person does, in a process of its own, or, many times as fast, in a thread of the test's."""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import click
import msgspec
from click.testing import CliRunner

from trackpush_cli.main import cli

_ALONE = {"KUBECONFIG": "", "HOME": "/nonexistent"}
"""No cluster of whoever runs the tests."""


class Result(NamedTuple):
    """What a command printed and came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output, decoded."""
        return msgspec.json.decode(self.stdout)


async def invoked(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    """Run it in a thread. One at a time, and what else logs must not log to stdout: see `logs.configure`."""
    runner = CliRunner()
    done = await asyncio.to_thread(runner.invoke, cli, arguments, env={**_ALONE, **(env or {})}, standalone_mode=False)
    if isinstance(done.exception, click.ClickException):
        return Result(done.exception.exit_code, done.stdout, f"Error: {done.exception.format_message()}\n")
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    value = done.return_value
    return Result(value if isinstance(value, int) else done.exit_code, done.stdout, done.stderr)


async def trackpush(
    *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None, name: str | None = None
) -> Result:
    """Run it to its end; ``name`` is what it believes to be called, as kubectl calls its plugin."""
    program = ["-m", "trackpush_cli"]
    if name is not None:
        program = ["-c", f"import sys; sys.argv[0] = {name!r}; from trackpush_cli.main import main; main()"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments, env={**os.environ, **_ALONE, **(env or {})},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await asyncio.wait_for(process.communicate(stdin.encode()), 90)
    assert process.returncode is not None
    return Result(process.returncode, stdout.decode(), stderr.decode())
