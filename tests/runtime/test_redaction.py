"""Server and operator redact the same fields: what either of them once had on its list."""

import io
import json
from collections.abc import Callable

import pytest
import structlog

from trackpush_operator import logs as operator_logs
from trackpush_server import logs as server_logs

FORBIDDEN = (
    *("body", "payload", "api_key", "token", "client_secret", "hash", "password", "authorization", "cookie"),
    *("headers", "phone", "mobile", "email", "address_line", "secret_data"),
)


@pytest.mark.parametrize("configure", [server_logs.configure, operator_logs.configure])
def test_a_field_whose_name_is_on_the_list_is_redacted_in_every_process(configure: Callable[..., None]) -> None:
    stream = io.StringIO()
    configure("json", stream)
    try:
        structlog.get_logger("test").warning("event", push_config="acme/push", **dict.fromkeys(FORBIDDEN, "leaked"))
    finally:
        structlog.reset_defaults()

    line = json.loads(stream.getvalue())
    assert {name: line[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "[redacted]")
    assert line["push_config"] == "acme/push"
