"""The pages of the site: their examples are valid, the backup works, and nothing is fetched from elsewhere."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
import yaml

from support.journal_file import journal_file
from support.page import blocks
from support.postgres import Server, programs
from trackpush_aggregators.catalog import catalog_names
from trackpush_api.kinds import KINDS
from trackpush_api.manifest import parse_manifests
from trackpush_server.journal.postgres.schema import migrate

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/kinds").glob("*.md")) + [
    ROOT / "docs/aggregators" / f"{aggregator}.md"
    for aggregator in ("clickpost", "shiprocket", "shipway", *catalog_names())
]
_EXAMPLE = re.compile(r"<!-- checked: example -->\n\s*```yaml\n(.*?)```", re.DOTALL)
_PROSE = re.compile(r"<(?:p|li|td)\b[^>]*>((?:(?!<(?:p|li|td)\b).)*?)</(?:p|li|td)>", re.DOTALL)
_UNRENDERED = re.compile(r"^\|.*\||\n\s*(?:[-*] |\d+\. |```|#+ )|\*\*\w|```", re.MULTILINE)
_ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
_RUNNABLE = re.compile(r"<!-- (runnable(?: [a-z]+)?) -->\n```sh\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_of_a_resource_is_valid(page: Path) -> None:
    examples = _EXAMPLE.findall(page.read_text(encoding="utf-8"))
    assert examples
    for text in examples:
        (document,) = yaml.safe_load_all(text)
        assert document["kind"] in KINDS
        assert parse_manifests({page.name: yaml.safe_dump(document)}).problems == ()


def test_a_backup_is_taken_and_put_back_as_the_page_says(tmp_path: Path) -> None:
    steps = dict(_RUNNABLE.findall((ROOT / "docs/backup.md").read_text(encoding="utf-8")))
    (tmp_path / "data").mkdir()
    with journal_file(tmp_path / "data/journal.db") as journal:
        journal.execute("PRAGMA journal_mode = WAL")
        journal.execute("CREATE TABLE updates (awb TEXT)")
        journal.execute("INSERT INTO updates VALUES ('1001')")
        backup = ["bash", "-ec", steps["runnable"]]  # while the journal is open
        subprocess.run(backup, cwd=tmp_path, env=_ENVIRONMENT, check=True)
        journal.execute("INSERT INTO updates VALUES ('later')")
    subprocess.run(["bash", "-ec", steps["runnable restore"]], cwd=tmp_path, env=_ENVIRONMENT, check=True)

    with journal_file(tmp_path / "data/journal.db") as restored:
        assert restored.execute("SELECT awb FROM updates").fetchall() == [("1001",)]


async def test_a_dump_of_a_journal_in_postgresql_is_loaded_as_the_page_says(
    tmp_path: Path, postgres_server: Server, postgres_dsn: str
) -> None:
    steps = dict(_RUNNABLE.findall((ROOT / "docs/backup.md").read_text(encoding="utf-8")))
    journal = await asyncpg.connect(postgres_dsn)
    await migrate(journal)
    tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_)' ORDER BY 1, 2"
    before = await journal.fetch(tables)
    empty = postgres_server.create_database()
    environment = {
        **os.environ,
        "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}",
        "DSN": postgres_dsn,
        "EMPTY_DSN": postgres_server.dsn(empty),
    }
    for step in ("runnable dump", "runnable load"):
        command = ["bash", "-ec", steps[step]]
        await asyncio.to_thread(subprocess.run, command, cwd=tmp_path, check=True, env=environment)
    await journal.close()
    restored = await asyncpg.connect(environment["EMPTY_DSN"])
    after = await restored.fetch(tables)
    await migrate(restored)  # a server takes it as it is
    await restored.close()
    postgres_server.drop_database(empty)

    assert len(before) > 5
    assert before == after


@pytest.mark.slow
def test_the_site_is_built_without_anything_from_elsewhere_and_a_broken_link_fails_it(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "docs", tree / "docs")
    shutil.copytree(ROOT / "site_tools", tree / "site_tools")
    for name in ("mkdocs.yml", "README.md"):
        shutil.copy(ROOT / name, tree)
    for folder in (
        "crds",
        "common",
        "operator",
        "webhook_server",
        "cli",
        "tests",
        "benchmarks",
        "manifests",
        "helm",
        "images",
    ):
        (tree / folder).symlink_to(ROOT / folder)
    for name in ("CHANGELOG.md", "SECURITY.md", "Makefile", "pyproject.toml"):
        (tree / name).symlink_to(ROOT / name)

    whole = build(tree)
    page = tree / "docs/backup.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n[gone](gone.md)\n", encoding="utf-8")
    broken = build(tree)

    assert whole.returncode == 0, whole.stderr
    assert (broken.returncode, "gone.md" in broken.stderr) == (1, True)
    loads = re.compile(r'<(?:script|link|img)[^>]+(?:src|href)="(?:https?:)?//')
    pages = list((tree / "dist/site").rglob("*.html"))
    assert len(pages) > 20
    assert [page.name for page in pages if loads.search(page.read_text(encoding="utf-8"))] == []
    assert {page.name: found for page in pages if (found := unrendered(page.read_text(encoding="utf-8")))} == {}


def unrendered(html: str) -> list[str]:
    """Sentences in which Markdown is left: a list without an empty line before it, a table that a comment ends."""
    text = re.sub(r"^.*?<article\b|</article>.*$", "", html, flags=re.DOTALL)
    text = re.sub(r"<(code|pre|script)\b.*?</\1>", "", text, flags=re.DOTALL)
    return [found[1] for found in _PROSE.finditer(text) if _UNRENDERED.search(found[1])]


def test_markdown_that_a_page_shows_as_text_is_found() -> None:
    assert unrendered("<p>Repeats count, too.\n- The count begins</p>") != []
    assert unrendered("<p>| fault | storage |</p>") != []
    assert unrendered("<ul><li>The count begins - at once</li></ul><pre>- a list</pre>") == []


def build(tree: Path) -> "subprocess.CompletedProcess[str]":
    """`make docs` there."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True, env=environment)


def test_every_page_is_in_the_navigation() -> None:
    named = re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    there = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]

    assert sorted(named) == sorted(there)


def test_the_readmes_parts_on_the_site_are_there() -> None:
    named = re.findall(r"<!-- from the README: (\w+) -->", (ROOT / "docs/getting-started.md").read_text())

    assert named == re.findall(r"<!-- on the site: (\w+) -->", (ROOT / "README.md").read_text())
    assert blocks(ROOT / "docs/clients.md", "runnable").keys() == {"client.py", "client.go", "Client.java"}
