"""spec.encryption: its keys are compiled whole or not at all, and no message shows one."""

import base64

import pytest
import yaml

from trackpush_api.compile import Compiled, compile_table
from trackpush_api.encryption import parse_key
from trackpush_api.manifest import parse_manifests
from trackpush_api.routing import Encryption

OLD, NEW = b"o" * 32, b"n" * 32


def text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def compiled(*names: str, decrypt_only: bool = False, **values: str) -> Compiled:
    """A server that names these keys of a Secret that holds those values."""
    server = {
        "apiVersion": "trackpush.dev/v1alpha1",
        "kind": "WebhookServer",
        "metadata": {"name": "main", "namespace": "trackpush"},
        "spec": {
            "encryption": {
                "keys": [{"secretKeyRef": {"name": "journal", "key": name}} for name in names],
                "decryptOnly": decrypt_only,
            }
        },
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "journal", "namespace": "trackpush"},
        "stringData": values,
    }
    parsed = parse_manifests({"all.yaml": yaml.safe_dump_all([server, secret])})
    assert not parsed.problems
    return compile_table(parsed.resources, parsed.secrets)


def test_the_keys_come_in_the_order_of_the_spec_each_once() -> None:
    table = compiled("new", "old", "again", new=text(NEW), old=text(OLD), again=text(NEW)).table
    assert table is not None
    assert table.server.encryption == Encryption(keys=(NEW, OLD))
    leaving = compiled("old", old=text(OLD), decrypt_only=True).table
    assert leaving is not None
    assert leaving.server.encryption == Encryption(keys=(OLD,), decrypt_only=True)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("not base64!", 'key "new" of Secret "journal" is not base64; create a key with: openssl rand -base64 32'),
        (text(b"short"), 'key "new" of Secret "journal" has 5 bytes, but a key has 32; create a key with: openssl'),
        ("", 'key "new" of Secret "journal" is empty; set it'),
    ],
)
def test_a_key_that_is_none_leaves_no_table_and_says_what_to_do_without_showing_it(value: str, told: str) -> None:
    found = compiled("old", "new", old=text(OLD), new=value)
    assert found.table is None
    (problem,) = found.problems
    assert told in str(problem)
    assert "spec.encryption.keys[1].secretKeyRef.key" in str(problem)
    assert not value or value not in str(problem)


def test_a_key_that_is_missing_leaves_no_table_rather_than_one_that_stores_in_clear() -> None:
    found = compiled("new", old=text(OLD))
    assert found.table is None
    assert 'Secret "journal" has no key "new" (found: "old")' in str(found.problems[0])


def test_settings_never_show_their_keys() -> None:
    table = compiled("new", new=text(NEW)).table
    assert table is not None
    assert "nnnn" not in repr(table)


def test_white_space_around_a_key_is_ignored() -> None:
    assert parse_key(f" {text(NEW)}\n") == NEW
