"""The bare loop: the operator's LISTs, and one status patch for each resource, with as many in flight. Nothing else.

``scale_bare.py KUBECONFIG IN_FLIGHT`` prints a JSON line with seconds and MiB.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

from procstat import usage
from scale_api import GROUP, LISTS, BareApi, Body

KINDS = ("webhookservers", "aggregatorwebhooks", "pushconfigs")
STAMP = "2026-11-23T00:00:00Z"


def status(item: Body) -> Body:
    """About as large as the operator's."""
    generation = item["metadata"]["generation"]
    types = ("Ready", "Accepted", "ResolvedRefs", "Programmed")
    conditions = [
        {"type": name, "status": "False", "reason": "Bare", "message": "written by the bare loop of the benchmark",
         "observedGeneration": generation, "lastTransitionTime": STAMP}
        for name in types
    ]  # fmt: skip
    return {"status": {"observedGeneration": generation, "conditions": conditions}}


async def run(kubeconfig: Path, in_flight: int) -> None:
    """List, then patch."""
    begun = time.perf_counter()
    async with BareApi(kubeconfig) as api:
        held: dict[str, list[Body]] = {}
        for path in LISTS:
            held[path] = [item async for item in api.items(path)]
        listed = time.perf_counter() - begun
        mib = usage(os.getpid()).mib
        gate = asyncio.Semaphore(in_flight)

        async def patch(kind: str, item: Body) -> None:
            async with gate:
                meta = item["metadata"]
                path = f"{GROUP}/namespaces/{meta['namespace']}/{kind}/{meta['name']}/status"
                await api.merge(path, status(item))

        async with asyncio.TaskGroup() as group:
            for kind in KINDS:
                for item in held[f"{GROUP}/{kind}"]:
                    group.create_task(patch(kind, item))
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "list_seconds": listed, "mib": mib}))


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
