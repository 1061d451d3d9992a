"""What constraints.txt pins can be installed wherever pyproject.toml promises it."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def test_every_pinned_package_takes_the_oldest_python_that_is_promised() -> None:
    promised = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    oldest = promised.removeprefix(">=") + ".0"
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    installed = {
        canonicalize_name(distribution.name): distribution.metadata["Requires-Python"]
        for distribution in metadata.distributions()
    }
    needs = {name: installed.get(canonicalize_name(name)) for name in pinned}

    assert len(needs) > 100
    assert {name: needed for name, needed in needs.items() if needed and oldest not in SpecifierSet(needed)} == {}
