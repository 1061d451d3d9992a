"""Reads OpenTelemetry's environment variables. An endpoint to export to switches tracing on.

https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from collections.abc import Mapping
from typing import Final

from trackpush_runtime.errors import CannotStartError
from trackpush_server.tracing.export_warnings import take_over
from trackpush_server.tracing.port import Tracing

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"
_SAMPLER: Final = "OTEL_TRACES_SAMPLER"
_SHARE: Final = "OTEL_TRACES_SAMPLER_ARG"
_FIXED: Final = {"always_on": 1.0, "parentbased_always_on": 1.0, "always_off": 0.0, "parentbased_always_off": 0.0}
_BY_SHARE: Final = frozenset({"", "traceidratio", "parentbased_traceidratio"})


def tracing(environment: Mapping[str, str]) -> Tracing | None:
    """Tracing as the environment configures it; None if it is off.

    Raises:
        CannotStartError: the value of a variable is not supported.
    """
    if not is_on(environment):
        return None
    for name in _PROTOCOLS:
        if environment.get(name, _PROTOCOL) != _PROTOCOL:
            raise CannotStartError(
                f"{name}={environment[name]}: only {_PROTOCOL} is supported; set this value, or remove the variable"
            )
    share = sampled_share(environment)
    from trackpush_server.tracing.spans import OpenTelemetry  # noqa: PLC0415  half a second, only where it is wanted

    take_over()
    return OpenTelemetry(share)


def is_on(environment: Mapping[str, str]) -> bool:
    """Whether to export traces."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(name) for name in _ENDPOINTS)


def sampled_share(environment: Mapping[str, str]) -> float:
    """The share of traces to record, from 0 to 1.

    Raises:
        CannotStartError: the value is not such a share, or the sampler is not supported.
    """
    wanted = environment.get(_SAMPLER, "")
    if wanted in _FIXED:
        return _FIXED[wanted]
    if wanted not in _BY_SHARE:
        raise CannotStartError(
            f"{_SAMPLER}={wanted}: set parentbased_traceidratio, and {_SHARE} to a share such as 0.01"
        )
    text = environment.get(_SHARE, "") or "1"
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise CannotStartError(f"{_SHARE}={text}: set a share from 0 to 1, such as 0.01")
    return share
