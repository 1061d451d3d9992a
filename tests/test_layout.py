"""The tree's own rules."""

from pathlib import Path


def test_the_operator_folder_never_shadows_the_standard_library() -> None:
    assert not (Path(__file__).parents[1] / "operator" / "__init__.py").exists()
