"""The operations for tests: test pushes, test messages, and signed copies of pushes for `trackpush listen`."""

import base64
from typing import Final

import msgspec

from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import PUSH_ID
from trackpush_server.admin.identity import address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.operations.sample_notification import (
    SampleNotificationRequest,
    SampleNotificationViews,
    TooManySampleNotificationsError,
)
from trackpush_server.operations.sample_push import SamplePushRequest, SamplePushView, TooManySamplePushesError


class SignedCopy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A push as it would be sent now: the headers of its signature, and its exact body. It has no credentials."""

    headers: dict[str, str]
    body_base64: str


@operation("POST", "/test-pushes", errors=(404, 429))
async def send_test_push(call: ApiCall, body: SamplePushRequest) -> SamplePushView:
    """Send a signed sample to a PushConfig's URL, marked as a test; it is not stored and not counted."""
    try:
        call.desk.test_pushes.check(body.push_config)
        target = f"PushConfig {body.push_config}, status {body.status.value}"
        await call.desk.audit(call.identity, "push.test", target, address(call.request))
        return await call.desk.test_pushes.send(body)
    except LookupError as error:
        raise ProblemError(404, str(error)) from None
    except TooManySamplePushesError as error:
        raise ProblemError(429, str(error)) from None


@operation("POST", "/test-notifications", errors=(404, 429))
async def send_test_notification(call: ApiCall, body: SampleNotificationRequest) -> SampleNotificationViews:
    """Send a test message to the notifications of a PushConfig or of the WebhookServer; it is not stored."""
    try:
        for target in call.desk.test_notifications.find(body):
            await call.desk.audit(call.identity, "notification.test", target.name, address(call.request))
        return await call.desk.test_notifications.send(body)
    except LookupError as error:
        raise ProblemError(404, str(error)) from None
    except TooManySampleNotificationsError as error:
        raise ProblemError(429, str(error)) from None


@operation("POST", "/pushes/{id}/signed-copy", errors=(404, 429), path_patterns={"id": PUSH_ID})
async def sign_copy(call: ApiCall) -> SignedCopy:
    """A push with its signature and exact body, to forward it to a developer's machine."""
    detail = await call.desk.lookup.show(call.path["id"])
    if detail is None:
        raise ProblemError(404, f"no push {call.path['id']}: retention may have deleted it")
    try:
        copy = call.desk.test_pushes.copy(detail)
    except LookupError as error:
        raise ProblemError(404, str(error)) from None
    except TooManySamplePushesError as error:
        raise ProblemError(429, str(error)) from None
    target = f"PushConfig {detail.push.push_config}, {call.path['id']}"
    await call.desk.audit(call.identity, "push.copy", target, address(call.request))
    return SignedCopy(headers=copy.headers, body_base64=base64.b64encode(copy.body).decode())


OPERATIONS: Final = (send_test_push, send_test_notification, sign_copy)
