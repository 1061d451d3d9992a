"""The patterns of texts in the kinds, and their descriptions in words for error messages."""

from collections.abc import Mapping
from typing import Final

from trackpush_api.quantities import DURATION_PATTERN
from trackpush_api.vocabulary import Aggregator

NAME: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
HOST: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
DATA_KEY: Final = r"^[-._a-zA-Z0-9]+$"
_OCTET: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUPS: Final = r"[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})"
CIDR: Final = (
    rf"^({_OCTET}(\.{_OCTET}){{3}}/([0-9]|[12][0-9]|3[0-2])"
    rf"|({_GROUPS}{{7}}|({_GROUPS}{{0,6}})?::({_GROUPS}{{0,6}})?)/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$"
)
URL: Final = r"^https?://[^\s]+$"
PROXY: Final = r"^http://[^\s/@]+:[0-9]+/?$"
PATH: Final = r"^(/[A-Za-z0-9._~-]+)+$"
SIZE: Final = r"^[0-9]+(\.[0-9]+)?([KMGTPE]i?)?$"
HEADER_NAME: Final = r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
HEADER_VALUE: Final = r"^[\t -~]*$"
PATH_SEGMENT: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
AGGREGATOR: Final = rf"^({'|'.join(Aggregator)}|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"
VARIABLE: Final = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
_MEMBER: Final = r"[^.\[\]\s\"][^.\[\]\"]*"
_ELEMENT: Final = r"\[(-?[0-9]{1,6}|\"[^\"]{1,128}\")\]"
FIELD_PATH: Final = rf"^{_MEMBER}({_ELEMENT})*(\.{_MEMBER}({_ELEMENT})*)*$"

WORDS: Final[Mapping[str, str]] = {
    DURATION_PATTERN: "a duration with its unit, such as 500ms, 30s, 5m, 2h or 3d",
    NAME: "a name of lower-case letters, digits, - and ., such as acme-keys",
    HOST: "a host name in lower case, without scheme, port and path, such as saas.increff.com",
    DATA_KEY: "a key of a Secret: letters, digits, -, _ and .",
    CIDR: "an address range with its length, such as 10.0.0.0/8 or fd00::/8",
    URL: "a URL that begins with https:// or http://",
    PROXY: "http://HOST:PORT, without user and path",
    PATH: "a path that begins with / and doesn't end with it, such as /rms/in/api",
    SIZE: "a size, such as 10Gi",
    HEADER_NAME: "a header name, such as X-Api-Key",
    HEADER_VALUE: "one line of printable ASCII characters",
    PATH_SEGMENT: "one segment of a URL: lower-case letters, digits and -, such as parcelkit",
    AGGREGATOR: f"{', '.join(Aggregator)}, or the name of an AggregatorDefinition: lower-case letters, digits and -",
    VARIABLE: "a name of letters, digits and _, such as shipment",
    FIELD_PATH: "a path, such as shipment.scans[0].code",
}
"""Descriptions of the patterns, for sentences that begin with "write"."""
