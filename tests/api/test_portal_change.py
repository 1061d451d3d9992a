"""A change asked for in the portal becomes a PushConfig and a Secret, by the checks of every PushConfig."""

import msgspec
import pytest

from support.rows import every_row
from trackpush_api.portal_change import (
    ChangeManifests,
    ChangeRefusedError,
    CurrentCredentials,
    PortalChange,
    PortalFilter,
    PortalHeader,
    current_in,
    current_of,
    manifests_of,
    objections,
    summary,
)
from trackpush_api.routing import Destination, Egress

NEW, OLD = (f"whsec_{letter * 40}" for letter in "Nd")
CHANGE = PortalChange(
    id=f"chg_{0xABC:032x}",
    client="acme",
    name="oms",
    url="https://oms.acme.example/hooks",
    headers=(PortalHeader(name="X-Key", value=" k-1 "), PortalHeader(name="X-Source", value="rms")),
    signing="Replace",
    signing_secret=NEW,
    filter=PortalFilter(statuses=("DELIVERED", "DELIVERED"), directions=("Forward",)),
    suspend=True,
)
NOTHING = CurrentCredentials()


def changed(**fields: object) -> PortalChange:
    return msgspec.structs.replace(CHANGE, **fields)


def errors(change: PortalChange, **egress: object) -> str:
    return " | ".join(objections(manifests_of(change, NOTHING), egress=Egress(**egress))[0])  # type: ignore[arg-type]


def credentials(made: ChangeManifests) -> CurrentCredentials:
    return current_in("oms", made.push_config["spec"], made.values)


def test_every_value_is_in_the_secret_and_none_in_the_push_config() -> None:
    made = manifests_of(CHANGE, NOTHING, labels={"team": "x"})
    assert objections(made, egress=Egress()) == ((), ())
    spec = made.push_config["spec"]
    assert [header["name"] for header in spec["headers"]] == ["X-Key", "X-Source"]
    assert not any(value in str(made.push_config) for value in ("k-1", "rms", NEW))
    assert spec["filter"] == {"statuses": ["DELIVERED"], "directions": ["Forward"]}
    assert spec["suspend"] is True
    assert made.secret is not None
    assert made.secret["metadata"] == {
        "name": "trackpush-portal-oms",
        "namespace": "acme",
        "labels": {"team": "x", "trackpush.dev/managed-by": "portal"},
    }
    assert credentials(made) == CurrentCredentials(headers={"x-key": "k-1", "x-source": "rms"}, signing=(NEW,))


def test_no_representation_of_a_change_shows_a_credential() -> None:
    made = manifests_of(CHANGE, NOTHING)
    shown = f"{CHANGE!r} {CHANGE.headers!r} {made!r} {credentials(made)!r} {summary(CHANGE)}"
    assert not any(value in shown for value in ("k-1", "rms", NEW))
    assert summary(changed(url="https://x.example/a/secret-path?token=t")) == (
        f"PushConfig acme/oms, {CHANGE.id}, url https://x.example, header X-Key set, header X-Source set, signing"
        " replace, filter, suspended"
    )


def test_two_changes_use_different_keys_of_the_secret_so_that_url_and_credentials_switch_at_once() -> None:
    first, second = (manifests_of(changed(id=f"chg_{number:032x}"), NOTHING) for number in (1, 2))
    assert not first.values.keys() & second.values.keys()


def test_a_header_without_a_value_keeps_its_current_one() -> None:
    current = CurrentCredentials(headers={"x-key": "kept"}, signing=(OLD,))
    made = manifests_of(changed(headers=(PortalHeader(name="X-KEY"),), signing="Keep"), current)
    assert credentials(made) == CurrentCredentials(headers={"x-key": "kept"}, signing=(OLD,))
    with pytest.raises(ChangeRefusedError, match="the header X-Other has no value; enter one"):
        manifests_of(changed(headers=(PortalHeader(name="X-Other"),)), current)


def test_a_signing_secret_can_be_replaced_rotated_and_removed() -> None:
    current = CurrentCredentials(signing=(OLD, "whsec_older"))
    for signing, wanted in (("Replace", (NEW,)), ("Rotate", (NEW, OLD)), ("Off", ()), ("Keep", current.signing)):
        assert credentials(manifests_of(changed(signing=signing), current)).signing == wanted
    with pytest.raises(ChangeRefusedError, match="the new signing secret is missing"):
        manifests_of(changed(signing_secret=" "), current)


def test_a_reference_to_another_secret_is_never_followed() -> None:
    source = {"secretKeyRef": {"name": "somebody-elses", "key": "k"}}
    spec = {"headers": [{"name": "X-Key", "valueFrom": source}], "signing": {"secrets": [source]}}
    assert current_in("oms", spec, {"k": "theirs"}) == CurrentCredentials()


def test_a_spec_of_any_shape_has_no_credentials() -> None:
    for spec in ({}, {"headers": None}, {"headers": [1, {}]}, {"signing": []}, {"signing": {"secrets": "x"}}):
        assert not current_in("oms", spec, {}).signing


def test_what_a_server_uses_now_can_be_kept() -> None:
    destination = Destination(name="acme/oms", url="https://x.example", headers=(("X-Key", "k"),), signing=(OLD,))
    assert current_of(destination) == CurrentCredentials(headers={"x-key": "k"}, signing=(OLD,))
    assert current_of(None) == NOTHING


@every_row(
    ("fields", "wanted"),
    [
        ({"url": "http://oms.acme.example"}, "URL: plain http is refused"),
        ({"url": "https://169.254.169.254/latest"}, "URL: pushes may not go to 169.254.169.254"),
        ({"url": "https://10.0.0.7/"}, "URL: pushes may not go to 10.0.0.7"),
        ({"url": "https://[::ffff:127.0.0.1]/"}, "URL: pushes may not go to"),
        ({"url": "https://localhost/"}, "URL: pushes may not go to"),
        ({"url": "https://user:pass@x.example/"}, "URL: the URL contains a user or password"),
        ({"url": "ftp://x.example"}, "URL:"),
        ({"url": "https://x.example/\r\nHost: y"}, "URL:"),
        ({"headers": (PortalHeader(name="X-A", value="v\r\nX-Evil: 1"),)}, "Header X-A: character 2 of 12 is a line"),
        ({"headers": (PortalHeader(name="X-A: 1\r\nX-B", value="v"),)}, "Header X-A"),
        ({"headers": (PortalHeader(name="Host", value="v"),)}, "Header Host: the header Host is set by Trackpush"),
        ({"headers": (PortalHeader(name="webhook-id", value="v"),)}, "Header webhook-id:"),
        ({"headers": (PortalHeader(name="X-A", value="1"), PortalHeader(name="x-a", value="2"))}, "duplicate header"),
        ({"signing_secret": "short"}, "Signing secret: the value is not a signing secret"),
        ({"filter": PortalFilter(expression="1 +")}, "Expression:"),
        ({"filter": PortalFilter(directions=("Sideways",))}, "Directions"),
    ],
)
def test_an_invalid_change_is_refused_in_words_for_its_author(fields: dict[str, object], wanted: str) -> None:
    found = errors(changed(**fields))
    assert wanted in found, found


@every_row(
    ("client", "name"),
    [
        ("acme", "../zen/oms"), ("acme", "a/b"), ("acme", ".."), ("acme", "a..b"), ("acme", "OMS"), ("acme", "x" * 201),
        ("../zen", "oms"), ("acme\0", "oms"), ("acme", "oms\n"), ("", "oms"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_name_of_an_object_becomes_no_manifest(client: str, name: str) -> None:
    with pytest.raises(ChangeRefusedError, match="the name of the"):
        manifests_of(changed(client=client, name=name), NOTHING)


def test_a_misspelled_status_is_only_a_warning() -> None:
    made = manifests_of(changed(filter=PortalFilter(statuses=("DELIVERD",))), NOTHING)
    refused, warned = objections(made, egress=Egress())
    assert (refused, "did you mean DELIVERED?" in warned[0]) == ((), True)
