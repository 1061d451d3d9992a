"""What is not printable is escaped, and JSON and YAML keep their value."""

import json
import random
import unicodedata
from typing import Any

import yaml

from support.rows import every_row
from trackpush_api.printable import is_shown, printable, printable_json
from trackpush_cli.yaml_form import yaml_text

SEED = random.randrange(10**9)  # noqa: S311


@every_row(
    ("text", "shown"),
    [
        ("AWB 1904", "AWB 1904"),
        ("Café, मुंबई, 北京, ₹ …", "Café, मुंबई, 北京, ₹ …"),
        ("back\\slash", "back\\slash"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m\x85", r"\x9b31m\x85"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\u202eright\u2066\u200f", r"\u202eright\u2066\u200f"),
        ("zero\u200bwidth\u200d\ufeff", r"zero\u200bwidth\u200d\ufeff"),
        ("filler\u3164\u034f\ufe0f", r"filler\u3164\u034f\ufe0f"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("wide\u3000space\xa0", r"wide\u3000space\xa0"),
        ("half\ud800 own\ue000 tag\U000e0041", r"half\ud800 own\ue000 tag\U000e0041"),
        ("\x00\x7f", r"\x00\x7f"),
    ],
)
def test_what_a_terminal_would_obey_or_hide_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_control_format_separator_or_surrogate_is_shown() -> None:
    hidden = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    for code in range(0x110000):
        if unicodedata.category(chr(code)) in hidden:
            assert not is_shown(chr(code)), hex(code)


def _text(chance: random.Random) -> str:
    pool = [
        *map(chr, range(0x180)),
        *map(chr, range(0x2000, 0x2070)),
        "\ufeff",
        "\ud800",
        "\U000e0001",
        "😀",
        "क",
        "- ",
        ": ",
    ]
    return "".join(chance.choices(pool, k=chance.choice([0, 1, 3, 9, 40, 1500])))


def _value(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    if depth < 3 and kind < 0.3:
        return [_value(chance, depth + 1) for _ in range(chance.randrange(3))]
    if depth < 3 and kind < 0.6:
        return {_text(chance): _value(chance, depth + 1) for _ in range(chance.randrange(3))}
    return chance.choice([None, True, -7, 0.5, "null", "12", _text(chance)])


def test_json_and_yaml_are_shown_whole_and_load_to_the_same_value() -> None:
    chance = random.Random(SEED)  # noqa: S311
    for _ in range(300):
        value = _value(chance)
        as_yaml, as_json = yaml_text(value), printable_json(json.dumps(value, ensure_ascii=False, indent=2))
        for form in (as_yaml, as_json):
            assert all(map(is_shown, form.split("\n"))), f"seed {SEED}: {value!r}"
        assert yaml.safe_load(as_yaml) == value, f"seed {SEED}"
        assert json.loads(as_json) == value, f"seed {SEED}"
