"""Sizes as Kubernetes writes them."""

from decimal import Decimal

import pytest

from trackpush_api.quantities import size_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10Gi", 10 * 1024**3), ("10G", 10 * 1000**3), ("512Mi", 512 * 1024**2), ("1.5Ti", 3 * 1024**4 // 2), ("7", 7),
     ("1e3", 1000), ("2k", 2000), ("1Ei", 1024**6), ("1000m", 1), ("0", 0)],
)  # fmt: skip
def test_a_size_is_read_as_kubernetes_reads_it(text: str, expected: int) -> None:
    assert size_bytes(text) == Decimal(expected)


@pytest.mark.parametrize("text", ["", "Gi", "ten", "10GB", "-1Gi x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_bytes(text)
