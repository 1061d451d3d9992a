"""The label of the PushConfigs and Secrets that the portal manages."""

from collections.abc import Mapping
from typing import Any, Final

from trackpush_api.kinds.base import GROUP

MANAGED_BY: Final = f"{GROUP}/managed-by"
PORTAL: Final = "portal"
"""Value of the label `MANAGED_BY`."""


def is_portals(labels: Any) -> bool:
    """Whether an object with these labels says that the portal manages it."""
    return isinstance(labels, Mapping) and labels.get(MANAGED_BY) == PORTAL
