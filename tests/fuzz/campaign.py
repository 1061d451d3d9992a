"""Many bodies in several processes, and the inputs that failed, which are kept."""

import hashlib
import multiprocessing
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from fuzz.journey import Journey
from fuzz.mutation import Bodies, Made
from trackpush_api.vocabulary import Aggregator

CORPUS: Final = Path(__file__).parent / "corpus"
"""Bodies that failed once, in a folder for each aggregator. The first line of a file is the Content-Type."""
_EVERY: Final = 256
"""One in so many bodies is also shown on the console's pages and on the command line."""
_MOST_FAILURES: Final = 20
_TRACE_FRAMES: Final = -4


class Failed(NamedTuple):
    """A body that raised, and what."""

    made: Made
    error: str


class Outcome(NamedTuple):
    """What became of the bodies of one run."""

    counts: Counter[str]
    failures: list[Failed]
    cpu_seconds: float


def run(aggregator: Aggregator, seed: int, count: int) -> Outcome:
    """Follow so many bodies in this process; ends after a few failures of different kinds."""
    journey, counts = Journey(aggregator), Counter[str]()
    failures: dict[str, Failed] = {}
    begun = time.process_time()
    for number, made in enumerate(islice(Bodies(aggregator, seed), count)):
        try:
            counts[journey.follow(made, pages=number % _EVERY == 0)] += 1
        except Exception as error:  # noqa: BLE001  any exception is what is looked for
            failures.setdefault(_place(error), Failed(made, _told(error)))
            if len(failures) >= _MOST_FAILURES:
                break
    return Outcome(counts, list(failures.values()), time.process_time() - begun)


def run_in_processes(aggregator: Aggregator, seed: int, count: int, *, processes: int = 2) -> Outcome:
    """The same, shared by processes of their own seeds: ``seed``, ``seed + 1`` and so on."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        parts = list(
            pool.map(run, [aggregator] * processes, range(seed, seed + processes), [-(-count // processes)] * processes)
        )
    counts = sum((part.counts for part in parts), Counter[str]())
    failures = {failed.error: failed for part in parts for failed in part.failures}
    return Outcome(counts, list(failures.values()), sum(part.cpu_seconds for part in parts))


def keep(aggregator: Aggregator, failed: Failed) -> Path:
    """Write the input into the corpus, where `make test` tries it from now on."""
    folder = CORPUS / aggregator.slug
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / hashlib.sha256(failed.made.body).hexdigest()[:16]
    path.write_bytes(failed.made.content_type.encode("unicode_escape") + b"\n" + failed.made.body)
    return path


def kept(path: Path) -> Made:
    """An input of the corpus."""
    content_type, _, body = path.read_bytes().partition(b"\n")
    return Made(body, content_type.decode("unicode_escape"))


def _place(error: Exception) -> str:
    """Where it was raised: failures of the same place are one."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno}"


def _told(error: Exception) -> str:
    return "".join(traceback.format_exception(error)[_TRACE_FRAMES:])
