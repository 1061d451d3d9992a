"""An excerpt of an answer shows no secret that we sent, however the answer spells it."""

import base64
import html
import json
from urllib.parse import quote, quote_plus

from support.rows import every_row
from trackpush_api.routing import Destination
from trackpush_server.outbound.excerpt import MAX_BODY, excerpt
from trackpush_server.outbound.transport import secrets_of

USER, PASSWORD = "acme-üser", 'S3cret=/Pass+w&rd "\\é'
PAIR = f"{USER}:{PASSWORD}"
BASIC = base64.b64encode(PAIR.encode()).decode()
SECRETS = secrets_of(
    Destination(name="acme/oms", url="https://x.example/", headers=(("Authorization", f"Basic {BASIC}"),))
)


@every_row(
    "spelt",
    [
        PASSWORD,
        PASSWORD.lower(),
        "".join(char.upper() if char.isascii() else char for char in PASSWORD),
        PAIR,
        BASIC,
        BASIC.rstrip("="),
        base64.urlsafe_b64encode(PAIR.encode()).decode(),
        quote(PASSWORD, safe=""),
        quote(PASSWORD, safe="").lower(),
        quote_plus(PASSWORD),
        quote(quote(PASSWORD, safe=""), safe=""),
        json.dumps(PASSWORD)[1:-1],
        json.dumps(PASSWORD, ensure_ascii=False)[1:-1].replace("/", "\\/"),
        "".join(f"\\u{ord(char):04X}" for char in PASSWORD),
        html.escape(PASSWORD),
        "".join(f"&#{ord(char)};" for char in PASSWORD),
    ],
)
def test_a_password_is_masked_in_every_spelling(spelt: str) -> None:
    assert excerpt(f"wrong: {spelt}, try again".encode(), b"", SECRETS) == "wrong: ***, try again"


def test_a_password_that_is_cut_off_is_masked_in_another_spelling() -> None:
    spelt = quote(PASSWORD, safe="").encode()
    before = b" " * (MAX_BODY - 12)
    assert excerpt(before + spelt, b"", SECRETS) == "***"


def test_what_is_not_a_secret_stays() -> None:
    said = "100% sure \\u0041 a+b &amp; C:\\new"
    assert excerpt(said.encode(), b"", SECRETS) == said
