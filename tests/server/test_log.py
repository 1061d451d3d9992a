"""A log that can't be written costs its lines, and nothing else."""

import errno
import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest
import structlog

from support.bodies import body
from support.deadline import until
from support.serving import serving, table
from support.sink import Arrival, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_operator import logs as operator_logs
from trackpush_runtime import logs as runtime_logs
from trackpush_server import logs

KEY = {"x-api-key": "right-key-of-clickpost"}


class Full(StringIO):
    """A file on a full disk."""

    def write(self, _: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(params=[logs.configure, operator_logs.configure])
def log_nowhere(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Sets a log up that can't be written, of the server and of the operator."""
    yield request.param
    structlog.reset_defaults()


@pytest.mark.parametrize("module", [logs, operator_logs])
def test_the_list_of_events_is_what_is_logged(module: ModuleType) -> None:
    assert module.__doc__
    assert module.__file__
    listed = set(re.findall(r"``([a-z_]+)``", module.__doc__)) - {"event", "held_back"}
    packages = (Path(place).parent for place in (module.__file__, runtime_logs.__file__))
    code = "".join(file.read_text() for package in packages for file in package.rglob("*.py"))
    logged = set(re.findall(r"\b_?log(?:ger\([^)]*\))?\.(?:info|warning|error|exception)\(\s*\"([a-z_]+)\"", code))

    assert len(listed) > 10
    assert logged - listed == set()
    assert {event for event in listed if f'"{event}"' not in code} == set()


@pytest.mark.parametrize("log_nowhere", [logs.configure], indirect=True)
async def test_a_server_answers_and_pushes_though_its_log_is_on_a_full_disk(
    tmp_path: Path, client: aiohttp.ClientSession, log_nowhere: Callable[..., None]
) -> None:
    log_nowhere("json", Full())
    tried: list[str] = []

    async def refuse_once(arrival: Arrival) -> int:
        tried.append(arrival.webhook_id)
        return 200 if len(tried) > 1 else 500

    async with open_sink(refuse_once) as sink:
        given = table(destinations=[Destination(name="acme/push", url=sink.url, retry=Retry(schedule=(0.01,) * 3))])
        async with serving(tmp_path, given) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify"
            one = body("clickpost", mark=1, shipment=1, second=1)
            async with client.post(url, data=one, headers={"x-api-key": "wrong"}) as answer:
                assert answer.status == 401
            async with client.post(url, data=one, headers=KEY) as answer:
                assert answer.status == 200
            await until(lambda: len(tried) == 2, seconds=5, what="the second try")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_that_cannot_be_written_raises_nothing(log_nowhere: Callable[..., None], log_format: str) -> None:
    log_nowhere(log_format, Full())

    structlog.get_logger().error("told_to_nobody")


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("configure", [logs.configure, operator_logs.configure])
def test_an_unexpected_error_is_logged_with_its_traceback_and_without_any_value(
    configure: Callable[..., None], log_format: str
) -> None:
    out = StringIO()
    configure(log_format, out)

    def fail() -> None:
        password = "MARKED-9876543210"
        raise ValueError(f"password={password}")

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("it_failed", round=7)
    structlog.reset_defaults()

    text = out.getvalue()
    assert "ValueError: password […]" in (json.loads(text)["exception"] if log_format == "json" else text)
    assert re.search(r"test_log\.py:\d+ in fail", text)
    assert "MARKED" not in text
    assert "exc_info" not in text
