"""Types of options that several commands share."""

from typing import Any

import click


class ErrorClasses(click.ParamType[tuple[str, ...]]):
    """An option with classes of errors, separated by commas."""

    name = "class"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse, or fail with the known classes."""
        if isinstance(value, tuple):
            return value
        from trackpush_server.journal.error_class import parse_error_classes  # noqa: PLC0415  for a fast start

        try:
            return parse_error_classes(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


error_option = click.option(
    "--error",
    "errors",
    type=ErrorClasses(),
    default=(),
    metavar="CLASS",
    help="Only pushes with an error of this class, like 5xx, 422, timeout or too-old; several by commas.",
)
