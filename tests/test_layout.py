"""The tree's own rules, and the check that keeps them: site_tools/names.py, which `make check` runs."""

import ast
import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_SPEC = importlib.util.spec_from_file_location("names", ROOT / "site_tools" / "names.py")
assert _SPEC is not None
assert _SPEC.loader is not None
names = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(names)


def findings(**files: str) -> list[str]:
    trees = {f"{file.replace('__', '/')}.py": ast.parse(text) for file, text in files.items()}
    return list(names.findings(trees))


def test_the_operator_folder_never_shadows_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


@pytest.mark.slow
def test_the_tree_has_no_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    assert (names.main(), capsys.readouterr().err) == (0, "")


def test_a_class_name_in_two_packages_is_a_finding_that_names_both_files() -> None:
    found = findings(cli__a="class Push: ...", crds__b="class Push: ...", crds__c="class Pushes: ...")
    assert found == ["class Push is in cli/a.py, crds/b.py: give each a name of its own"]


def test_private_and_nested_classes_and_those_of_tests_may_share_a_name() -> None:
    inner = "class Outer:\n    class Push: ..."
    assert (
        findings(cli__a="class Push: ...", crds__b=inner, crds__c="class _Push: ...", tests__a="class Push: ...") == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "for one in pushes:\n    print(one)",
        "for name, (one, other) in pushes:\n    print(one)",
        "[one for one in pushes]",
        "{key: one for key, one in pushes.items()}",
        "any(push for one in pushes for push in one)",
        "async def run():\n    async for one in pushes:\n        print(one)",
        "sorted(pushes, key=lambda one: one.id)",
    ],
)
def test_a_loop_variable_called_one_is_a_finding(text: str) -> None:
    (found,) = findings(tests__a=text)
    assert found.startswith("tests/a.py:")


def test_one_is_a_name_like_any_other_outside_of_loops() -> None:
    assert findings(cli__a="def union(one, other):\n    return one | other\n\nunion(one={1}, other={2})") == []
