"""Decodes one level of JSON; its members or elements keep their bytes."""

from typing import Final

import msgspec

MEMBERS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
