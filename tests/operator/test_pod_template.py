"""Which podTemplates the operator refuses, whatever admission lets through."""

from support import objects
from support.pod_templates import ACCEPTED, REFUSED, Template
from support.rows import every_row
from trackpush_api.kinds import WebhookServerSpec
from trackpush_operator.decide.server import ServerSnapshot, findings, makes_children


def snapshot(template: Template, *, allowed: bool = False) -> ServerSnapshot:
    spec = WebhookServerSpec.model_validate({**objects.server()["spec"], "podTemplate": template})
    return ServerSnapshot(name="main", spec=spec, any_pod_template=allowed)


@every_row("template", ACCEPTED.values())
def test_a_safe_pod_template_is_accepted(template: Template) -> None:
    given = snapshot(template)
    assert findings(given)[1].status == "True", findings(given)[1].message
    assert makes_children(given)


@every_row(("template", "word"), REFUSED.values())
def test_any_other_pod_template_is_refused_and_the_condition_names_the_field(template: Template, word: str) -> None:
    given = snapshot(template)
    accepted = findings(given)[1]
    assert (accepted.status, accepted.reason) == ("False", "PodTemplateNotAllowed")
    assert word in accepted.message
    assert "spec.podTemplate." in accepted.message
    assert "podTemplate.allowAll" in accepted.message
    assert not makes_children(given), "no pod is made of it"


@every_row("template", [template for template, _ in REFUSED.values()])
def test_the_operators_option_permits_every_field(template: Template) -> None:
    given = snapshot(template, allowed=True)
    assert findings(given)[1].status == "True"
    assert makes_children(given)


def test_many_objections_are_counted() -> None:
    template = {"spec": {f"field{number}": 1 for number in range(9)}}
    assert "and 4 more" in findings(snapshot(template))[1].message
