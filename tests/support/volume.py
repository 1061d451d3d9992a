"""A projected volume as the kubelet makes it: links to ``..data``, which is a link that is swapped as a whole."""

from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from trackpush_api import shards
from trackpush_api.routing import RoutingTable
from trackpush_api.shards import Shard


class Volume:
    """What a pod sees of the Secrets with the shards. Every swap writes all files anew, changed or not."""

    def __init__(self, root: Path) -> None:
        """An empty volume."""
        self.root = root
        self._swaps = 0
        self.root.mkdir()
        self.swap({})

    def swap(self, files: Mapping[str, bytes]) -> None:
        """Show exactly these files from now on, by shard name."""
        self._swaps += 1
        folder = self.root / f"..{self._swaps}"
        folder.mkdir()
        for name, content in files.items():
            (folder / f"{name}.json").write_bytes(content)
        (self.root / "..data_tmp").symlink_to(folder.name)
        (self.root / "..data_tmp").replace(self.root / "..data")
        for link in self.root.glob("*.json"):
            if link.stem not in files:
                link.unlink()
        for name in files:
            link = self.root / f"{name}.json"
            if not link.is_symlink():
                link.symlink_to(f"..data/{name}.json")


def written(table: RoutingTable, revision: str = "1") -> dict[str, bytes]:
    """The files of a table; the revision of shard 17 is ``17-<revision>``."""
    return {
        name: shards.encode(replace(part, revision=f"{name}-{revision}")) for name, part in shards.split(table).items()
    }


def shard_with(name: str, **changes: object) -> bytes:
    """An encoded shard without contents, for what is wrong with it."""
    return shards.encode(replace(Shard(server="trackpush/main", name=name, revision=f"{name}-odd"), **changes))
