"""Metrics of slots that change their owner. Implements `journal.postgres.leases.LeaseObserver`."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class LeaseTelemetry:
    """Metrics of the slots of this replica."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._held = Gauge(
            "trackpush_slots_held",
            "Slots, out of 128, that this pod owns: it sends their PushConfigs. All with SQLite.",
            registry=registry,
        )
        self._taken_over = Counter(
            "trackpush_slots_taken_over",
            "Slots that this pod took over from replicas that died.",
            registry=registry,
        )
        self._handed_over = Counter(
            "trackpush_slots_handed_over",
            "Slots that this pod handed over to other pods on purpose.",
            registry=registry,
        )
        self._lost = Counter(
            "trackpush_slots_lost",
            "Slots that this pod lost: its heartbeat was late, or another replica took them over.",
            registry=registry,
        )

    def holds(self, slots: int) -> None:
        """Set the number of slots that this replica owns."""
        self._held.set(slots)

    def taken_over(self, slots: int) -> None:
        """Count slots that this replica claimed from dead replicas."""
        self._taken_over.inc(slots)

    def handed_over(self, slots: int) -> None:
        self._handed_over.inc(slots)

    def lost(self, slots: int) -> None:
        """Count slots that another replica took over, or that were lost by a late heartbeat."""
        self._lost.inc(slots)
