"""Decides which unquoted texts are numbers and booleans: all that PyYAML or Kubernetes reads so.

kubectl reads YAML with Go's strconv, so that `1e5`, `08` and `0o17` are numbers, and `y` is true.
`trackpush check` must not accept as a text what `kubectl apply` refuses as a number.
Source: sigs.k8s.io/yaml, goyaml.v2/resolve.go.
"""

import re
from typing import Any, Final

import yaml

_FLOAT: Final = "tag:yaml.org,2002:float"
_BOOL: Final = "tag:yaml.org,2002:bool"
_NUMBER: Final = re.compile(
    r"[-+]?(?:0[oO][0-7_]*[0-7]|0[xX][0-9a-fA-F_]*[0-9a-fA-F]|0[bB][01_]*[01]"
    r"|(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?)"
)
_LETTER: Final = re.compile(r"[yYnN]")


class KubernetesLoader(yaml.SafeLoader):
    """PyYAML's loader, with these texts as numbers and booleans, too."""


def _number(loader: Any, node: yaml.ScalarNode) -> int | float:
    text = node.value.replace("_", "")
    if re.match(r"[-+]?0[oOxXbB]", text):
        return int(text, 0)
    number: float = loader.construct_yaml_float(node)
    return number


def _boolean(loader: Any, node: yaml.ScalarNode) -> bool:
    if _LETTER.fullmatch(node.value):
        return node.value in "yY"
    value: bool = loader.construct_yaml_bool(node)
    return value


def _text(loader: Any, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


KubernetesLoader.add_implicit_resolver(_FLOAT, re.compile(rf"(?:{_NUMBER.pattern})\Z"), list("-+.0123456789"))
KubernetesLoader.add_implicit_resolver(_BOOL, re.compile(rf"{_LETTER.pattern}\Z"), list("yYnN"))
KubernetesLoader.add_constructor(_FLOAT, _number)
KubernetesLoader.add_constructor(_BOOL, _boolean)
for _tag in ("value", "merge"):  # an unquoted = or << in the place of a value is a text, as Kubernetes has it
    KubernetesLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _text)
