"""Turns an operation into an aiohttp handler: parses and checks the request, and turns errors into problems."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from trackpush_server.admin.api.operation import ApiCall, Operation
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import identity
from trackpush_server.admin.problems import ProblemError, problem
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.operations.jobs import TooManyJobsError
from trackpush_server.telemetry.tail import TooManyWatchersError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def endpoint(operation: Operation, desk: AdminServices) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await _served(operation, desk, request)
        except ProblemError as error:
            return problem(error.status, error.detail)
        except (ValueError, msgspec.DecodeError) as error:
            return problem(400, str(error))
        except (TooManyJobsError, TooManyWatchersError) as error:
            return problem(429, str(error))
        except JournalUnavailableError as error:
            return problem(503, str(error))

    return handle


async def _served(operation: Operation, desk: AdminServices, request: web.Request) -> web.StreamResponse:
    who = identity(request)
    if operation.role == "operate" and not who.operates:
        raise ProblemError(403, f"{operation.method} {request.path} needs the role operate; {who.actor} has view")
    takes = _query(operation, request)
    if operation.body is not None:
        takes["body"] = msgspec.json.decode(await request.read(), type=operation.body)
    answer = await operation.handler(
        ApiCall(desk=desk, identity=who, request=request, path=request.match_info), **takes
    )
    if isinstance(answer, web.StreamResponse):
        return answer
    return web.Response(
        body=msgspec.json.encode(answer) + b"\n", status=operation.status, content_type="application/json"
    )


def _query(operation: Operation, request: web.Request) -> dict[str, Any]:
    given = request.query
    twice = sorted({name for name in given if len(given.getall(name)) > 1})
    if twice:
        raise ProblemError(400, f"given more than once: {', '.join(twice)}")
    if operation.query is None:
        if given:
            raise ProblemError(400, f"this path takes no parameters; remove {', '.join(sorted(given))}")
        return {}
    nothing = sorted(name for name, value in given.items() if value.lower() == "null")
    if nothing:  # msgspec reads the text "null" as an absent parameter, which would silently disable the filter
        raise ProblemError(400, f"null is not allowed: leave out {', '.join(nothing)}")
    return {"query": msgspec.convert(dict(given), type=operation.query, strict=False)}
