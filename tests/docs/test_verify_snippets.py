"""The functions of docs/receiving-pushes.md that verify a signature, each run in its language."""

import base64
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.node import NODE
from support.page import blocks
from trackpush_server.portal.snippets import SNIPPETS
from trackpush_server.pusher import render

PAGE = Path(__file__).parents[2] / "docs" / "receiving-pushes.md"
SECRETS = tuple("whsec_" + base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2))
BODY = '{"id":"psh_1","remark":"शुभ"}'.encode()

PYTHON = """
import sys
names = ("webhook-id", "webhook-timestamp", "webhook-signature")
body = sys.stdin.buffer.read()
print("yes" if verify(sys.argv[1], dict(zip(names, sys.argv[2:])), body) else "no")
"""
MJS = """
import { readFileSync } from "node:fs";
const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const given = Object.fromEntries(names.map((name, at) => [name, process.argv[at + 3]]));
console.log(verify(process.argv[2], given, readFileSync(0)) ? "yes" : "no");
"""
PHP = """
$names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
$given = array_combine($names, array_slice($argv, 2));
echo verify($argv[1], $given, stream_get_contents(STDIN)) ? "yes" : "no";
"""
JAVA = """
class Main {
    public static void main(String[] given) throws Exception {
        Map<String, String> headers = Map.of(
            "webhook-id", given[1], "webhook-timestamp", given[2], "webhook-signature", given[3]);
        System.out.println(Verify.verify(given[0], headers, System.in.readAllBytes()) ? "yes" : "no");
    }
}
"""
GO = """package main

import (
    "fmt"
    "io"
    "os"
)

func main() {
    body, _ := io.ReadAll(os.Stdin)
    headers := map[string]string{
        "webhook-id": os.Args[2], "webhook-timestamp": os.Args[3], "webhook-signature": os.Args[4],
    }
    if verify(os.Args[1], headers, body) {
        fmt.Println("yes")
    } else {
        fmt.Println("no")
    }
}
"""
Given = tuple[str, str, str, str, bytes]


def answers_of(command: list[str], folder: Path) -> dict[str, str]:
    """What the function says of a valid request, and of invalid ones."""
    found = {}
    for name, (*arguments, body) in requests().items():
        done = subprocess.run(
            [*command, *map(str, arguments)], input=body, capture_output=True, cwd=folder, check=False, timeout=100
        )
        assert not done.returncode, done.stderr.decode()
        found[name] = done.stdout.decode().strip()
    return found


def requests() -> dict[str, Given]:
    keys, now, old = render.signing_keys(SECRETS), int(time.time()), int(time.time()) - 1000
    both = render.signature(keys, "psh_1", now, BODY)
    return {
        "valid": (SECRETS[0], "psh_1", str(now), both, BODY),
        "valid by the second signature": (SECRETS[1], "psh_1", str(now), both, BODY),
        "another body": (SECRETS[0], "psh_1", str(now), both, BODY + b" "),
        "another id": (SECRETS[0], "psh_2", str(now), both, BODY),
        "old": (SECRETS[0], "psh_1", str(old), render.signature(keys, "psh_1", old, BODY), BODY),
        "another secret": ("whsec_" + base64.b64encode(bytes(32)).decode(), "psh_1", str(now), both, BODY),
    }


def test_the_portal_shows_the_functions_of_this_page() -> None:
    assert {snippet.file_name: snippet.text for snippet in SNIPPETS} == blocks(PAGE, "verified")


EXPECTED = {name: "yes" if name.startswith("valid") else "no" for name in requests()}


def test_python(tmp_path: Path) -> None:
    (tmp_path / "verify.py").write_text(blocks(PAGE, "verified")["verify.py"] + PYTHON)
    assert answers_of([sys.executable, "verify.py"], tmp_path) == EXPECTED


def test_node(tmp_path: Path) -> None:
    (tmp_path / "verify.mjs").write_text(blocks(PAGE, "verified")["verify.mjs"] + MJS)
    assert answers_of([str(NODE), "verify.mjs"], tmp_path) == EXPECTED


def test_php(tmp_path: Path, debian_program: Callable[[str, str], Path]) -> None:
    php = shutil.which("php") or debian_program("php8.2-cli", "usr/bin/php8.2")
    (tmp_path / "verify.php").write_text(blocks(PAGE, "verified")["verify.php"] + PHP)
    assert answers_of([str(php), "-n", "verify.php"], tmp_path) == EXPECTED


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_java(tmp_path: Path) -> None:
    if not shutil.which("javac"):
        pytest.skip("needs a JDK")
    (tmp_path / "Verify.java").write_text(blocks(PAGE, "verified")["Verify.java"] + JAVA)
    subprocess.run(["javac", "Verify.java"], cwd=tmp_path, check=True, timeout=100)
    assert answers_of(["java", "-Xshare:auto", "-cp", ".", "Main"], tmp_path) == EXPECTED


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_go(tmp_path: Path) -> None:
    (tmp_path / "verify.go").write_text(blocks(PAGE, "verified")["verify.go"])
    (tmp_path / "main.go").write_text(GO)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"}
    subprocess.run(
        ["go", "build", "-o", "verify", "verify.go", "main.go"], cwd=tmp_path, env=environment, check=True, timeout=250
    )
    assert answers_of([str(tmp_path / "verify")], tmp_path) == EXPECTED
