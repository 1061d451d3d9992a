"""`diff` compares a folder with a server that runs on another one, and shows no secret."""

import shutil
from pathlib import Path

import pytest

from support.command import Result, invoked
from support.manifests import Client, write
from support.server import running
from trackpush_cli.diff import differences

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="


@pytest.mark.timeout(300)
async def test_a_folder_is_compared_with_the_running_server(tmp_path: Path) -> None:
    clients = [Client(name=name, url=f"https://{name}.example/hooks/private-path") for name in ("acme", "zen")]
    served = write(tmp_path / "served", clients)
    async with running(served, tmp_path / "data") as server:

        async def diff(name: str, *changes: tuple[str, str]) -> Result:
            folder = tmp_path / name
            shutil.copytree(served, folder)
            for file in folder.rglob("*.yaml"):
                text = file.read_text()
                for old, new in changes:
                    text = text.replace(old, new)
                file.write_text(text)
            return await invoked("diff", str(folder), "--admin", server.admin_url)

        same = await diff("same")
        moved = await diff("moved", ("https://acme.example/", "https://acme.test/"))
        hidden = await diff("hidden", ("private-path", "another-path"))
        broken = await diff("broken", ("url: ", "ulr: "))

    assert (same.exit_code, same.stdout) == (0, "nothing would change\n")
    assert moved.exit_code == 1
    assert "~ PushConfig acme/" in moved.stdout
    assert "    endpoint: https://acme.example -> https://acme.test" in moved.stdout
    assert "zen" not in moved.stdout
    assert (hidden.exit_code, "something that is not shown differs" in hidden.stdout) == (1, True)
    assert "path" not in moved.stdout + hidden.stdout.replace("the path of a URL", "")
    assert (broken.exit_code, "so the result is unknown" in broken.stderr) == (2, True)


def test_added_removed_and_changed_resources_are_listed_with_their_fields() -> None:
    old = {"PushConfig a/x": {"signed": True, "rate": None}, "PushConfig a/gone": {}}
    new = {"PushConfig a/x": {"signed": False, "rate": "5 in 1 s"}, "PushConfig a/new": {}}
    assert list(differences(old, new)) == [
        "- PushConfig a/gone",
        "+ PushConfig a/new",
        "~ PushConfig a/x",
        "    rate: none -> 5 in 1 s",
        "    signed: true -> false",
    ]
