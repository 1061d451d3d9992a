"""Checks the rows of a table in one test: pytest takes milliseconds for each test, and most rows take microseconds.

Use `every_row` in place of `pytest.mark.parametrize` where the rows can share the fixtures of the test.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FAILURES = (Exception, pytest.fail.Exception)


class WrongRows:
    """Collects what failed, so that one wrong row does not hide the others."""

    def __init__(self) -> None:
        self._first: BaseException | None = None
        self._wrong: list[str] = []

    @contextmanager
    def row(self, name: str) -> Iterator[None]:
        """Check a row in this block."""
        try:
            yield
        except FAILURES as error:
            self._first = self._first or error
            self._wrong.append(f"{name}: {type(error).__name__}: {error}")

    def report(self) -> None:
        """Fail if any row was wrong, and name each.

        Raises:
            AssertionError: its cause is the failure of the first wrong row.
        """
        if self._wrong:
            raise AssertionError("\n".join([f"{len(self._wrong)} wrong rows:", *self._wrong])) from self._first


def every_row(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run the test once with each row as these arguments, as `pytest.mark.parametrize` does, but as one test."""
    named = (names,) if isinstance(names, str) else names
    values = [(row,) if isinstance(names, str) else tuple(row) for row in rows]
    table = [dict(zip(named, row, strict=True)) for row in values]
    assert table, "a table without rows proves nothing"

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        def check(**others: Any) -> None:
            wrong = WrongRows()
            for row in table:
                with wrong.row(_shown(row)):
                    test(**others, **row)
            wrong.report()

        @functools.wraps(test)
        async def check_async(**others: Any) -> None:
            wrong = WrongRows()
            for row in table:
                with wrong.row(_shown(row)):
                    await test(**others, **row)
            wrong.report()

        signature = inspect.signature(test)
        rest = [parameter for name, parameter in signature.parameters.items() if name not in named]
        chosen = check_async if inspect.iscoroutinefunction(test) else check
        chosen.__signature__ = signature.replace(parameters=rest)  # type: ignore[attr-defined]  pytest reads it
        return chosen

    return decorate


def _shown(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r:.200}" for name, value in row.items())
