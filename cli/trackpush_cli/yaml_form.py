"""Writes YAML that is safe to print on terminals and loads to the same value."""

from typing import Any

import yaml

from trackpush_api.printable import is_shown, printable_yaml


class _Dumper(yaml.SafeDumper):
    """Puts every unprintable string in double quotes, because YAML has escapes only there."""


def _represent(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_shown(text) else '"')


_Dumper.add_representer(str, _represent)
_Dumper.add_multi_representer(dict, _Dumper.represent_dict)  # answers of an admin port are of a subclass of dict


def yaml_text(data: Any) -> str:
    """One YAML document of plain data, in the order of its fields."""
    dumped = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return printable_yaml(dumped)
