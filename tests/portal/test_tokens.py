"""A token admits its bearer only byte for byte as it was signed."""

import base64
import string

import msgspec

from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.operations import portal_tokens

KEY = b"k" * 32
LINK = PortalLink(
    id="lnk_" + "0" * 32, client="acme", role="view", created_at=0, expires_at=1_760_000_000_000, created_by="token"
)


def test_a_token_says_what_its_link_allows() -> None:
    found = portal_tokens.read(KEY, portal_tokens.sign(KEY, LINK))
    assert found is not None
    assert (found.link_id, found.client, found.role, found.expires_at) == (
        LINK.id,
        "acme",
        "view",
        1_760_000_000_000,
    )


def test_a_token_with_any_other_character_is_refused() -> None:
    token = portal_tokens.sign(KEY, LINK)
    alphabet = string.ascii_letters + string.digits + "-_=.+/ \0é"
    changed = {
        token[:at] + other + token[at + 1 :] for at in range(len(token)) for other in alphabet if other != token[at]
    }
    assert [text for text in changed if portal_tokens.read(KEY, text) is not None] == []


def test_a_truncated_or_extended_token_is_refused() -> None:
    token = portal_tokens.sign(KEY, LINK)
    wrong = [token[:end] for end in range(len(token))] + [token + more for more in ("=", ".", "A", " ", "\n")]
    wrong += [f" {token}", token * 2, "tpl_" + "A" * 10_000_000, "", "tpl_", "tpl_.", "."]
    assert [text[:300] for text in wrong if portal_tokens.read(KEY, text) is not None] == []


def test_no_other_key_and_no_csrf_token_signs_a_link() -> None:
    token = portal_tokens.sign(KEY, LINK)
    payload = token.removeprefix("tpl_").partition(".")[0]
    assert portal_tokens.read(b"x" * 32, token) is None
    assert portal_tokens.read(KEY, f"tpl_{payload}.{portal_tokens.csrf(KEY, payload)}") is None


def test_another_clients_name_or_role_needs_another_signature() -> None:
    mac = portal_tokens.sign(KEY, LINK).rpartition(".")[2]
    for content in (
        (LINK.id, "zen", "view", LINK.expires_at),
        (LINK.id, "acme", "operate", LINK.expires_at),
        (LINK.id, "acme", "view", LINK.expires_at + 1),
    ):
        payload = base64.urlsafe_b64encode(msgspec.json.encode(content)).rstrip(b"=").decode()
        assert portal_tokens.read(KEY, f"tpl_{payload}.{mac}") is None
