"""The demo's client checks its own header values and the signature, and never shows a secret."""

import base64

from trackpush_api.routing import Destination
from trackpush_cli.demo.credentials import faults, signature_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW = 1_614_265_330
CLIENT = Destination(name="acme/oms", url="http://127.0.0.1/", headers=(("X-Key", "s-1"),))
SIGNED = Destination(name="acme/oms", url="http://127.0.0.1/", signing=(SECRET,))


def test_the_right_header_value_is_accepted() -> None:
    assert faults(CLIENT, {"X-Key": "s-1"}, b"", NOW) == ()


def test_a_missing_and_a_wrong_header_are_told_apart_without_their_values() -> None:
    assert faults(CLIENT, {}, b"", NOW) == ("header X-Key is missing",)
    assert faults(CLIENT, {"X-Key": "s-2"}, b"", NOW) == ("header X-Key has another value than the client's",)


def test_the_published_example_of_standard_webhooks_has_the_published_signature() -> None:
    # The example of the Standard Webhooks reference implementation (and of Svix's "verifying manually").
    signature = signature_of(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def _signed(body: bytes, timestamp: int) -> dict[str, str]:
    signature = signature_of(SECRET, "psh_1", str(timestamp), body)
    return {"webhook-id": "psh_1", "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def test_a_signature_over_another_body_is_refused() -> None:
    assert faults(SIGNED, _signed(b"{}", NOW), b"{}", NOW) == ()
    assert faults(SIGNED, _signed(b"{}", NOW), b"{ }", NOW) == ("webhook-signature does not match the body",)


def test_one_of_several_signatures_is_enough() -> None:
    headers = _signed(b"{}", NOW)
    headers["webhook-signature"] = f"v1,{base64.b64encode(b'other').decode()} {headers['webhook-signature']}"

    assert faults(SIGNED, headers, b"{}", NOW) == ()


def test_an_old_signature_is_refused() -> None:
    (fault,) = faults(SIGNED, _signed(b"{}", NOW - 301), b"{}", NOW)

    assert "webhook-timestamp" in fault
