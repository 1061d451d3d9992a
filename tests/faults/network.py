"""A network namespace between a server and its database, whose packets can be dropped. Needs root on Linux."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.postgres import install

_FORWARD = """
import socket, sys, threading

def pump(source, to):
    try:
        while data := source.recv(65536):
            to.sendall(data)
    except OSError:
        pass
    finally:
        for one in (source, to):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    there, _ = listening.accept()
    inside = socket.socket(socket.AF_UNIX)
    try:
        inside.connect(sys.argv[3])
    except OSError:
        there.close()
        continue
    for pair in ((there, inside), (inside, there)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""
"""Runs in the namespace: from there the database is reached by its Unix socket, which no namespace hides."""


class Between:
    """The other network. `address` and `port` reach the database, until `cut`."""

    def __init__(self, name: str, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self._name = name

    def cut(self) -> None:
        """Drop every packet from now on, without a word to anybody."""
        self._rule("-I")

    def mend(self) -> None:
        """Let packets pass again."""
        self._rule("-D")

    def _rule(self, action: str) -> None:
        for chain, device in (("INPUT", "-i"), ("OUTPUT", "-o")):
            rule = ["iptables", "-w", action, chain, "!", device, "lo", "-j", "DROP"]
            _run("ip", "netns", "exec", self._name, *rule)


@contextlib.contextmanager
def between(socket_file: Path, *, port: int) -> Iterator[Between]:
    """The namespace with a way to that socket; removed in the end."""
    missing = [
        package for program, package in (("ip", "iproute2"), ("iptables", "iptables")) if not shutil.which(program)
    ]
    if missing:
        install(*missing)
    number = os.getpid() % 250
    name, ours, theirs = f"tp-cut-{number}", f"tpa{number}", f"tpb{number}"
    near, far = f"10.251.{number}.1", f"10.251.{number}.2"
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)  # what a killed run left
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        _run("ip", "address", "add", f"{near}/30", "dev", ours)
        _run("ip", "link", "set", ours, "up")
        for command in (f"address add {far}/30 dev {theirs}", f"link set {theirs} up", "link set lo up"):
            _run("ip", "-n", name, *command.split())
        command = ["ip", "netns", "exec", name, sys.executable, "-c", _FORWARD, far, str(port), str(socket_file)]
        forwarder = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert forwarder.stdout is not None
            assert forwarder.stdout.readline() == b"ready\n"
            yield Between(name, far, port)
        finally:
            forwarder.kill()
            forwarder.wait()
            assert forwarder.stdout is not None
            forwarder.stdout.close()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
