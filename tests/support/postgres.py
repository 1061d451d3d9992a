"""A real PostgreSQL on a port of its own: Debian's programs, run as an unprivileged user (PostgreSQL refuses root).

It syncs to the disk as a user's does, so what a test finds durable is durable. `Server.kill` is what a power cut leaves
of the processes; `Server.standby` makes a second server that follows by streaming replication and can be promoted.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kube.rig.processes import free_ports

_ALL_VERSIONS = Path("/usr/lib/postgresql")
_COMMON = Path("/etc/postgresql-common/createcluster.conf")
_SHORT = Path("/tmp")  # noqa: S108  sockets need a short path
_USER = "postgres"
ROLE = "trackpush"
"""Owns the databases; no superuser."""
PASSWORD = "s3cret-of-the-test"
_START_SECONDS = 60.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "hot_standby": "on",
    "timezone": "UTC",
    "log_min_duration_statement": "1s",
}
_DATABASES = itertools.count(1)


class PostgresError(Exception):
    """A program of PostgreSQL did not do what it should; the text holds the end of its log."""


def programs() -> Path:
    """The folder of Debian's programs; installed when they aren't there, without a server of their own."""
    found = _newest()
    if found is None:
        _COMMON.parent.mkdir(parents=True, exist_ok=True)
        if not _COMMON.exists():
            _COMMON.write_text("create_main_cluster = false\n")
        install("postgresql")
        found = _newest()
    assert found is not None, "apt-get installed no PostgreSQL"
    return found


def install(*packages: str) -> None:
    """Debian packages, whose services are not started."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    keep = ["-o", "Dpkg::Options::=--force-confold"]
    for command in (["update", "-q"], ["install", "-qy", "--no-install-recommends", *keep, *packages]):
        subprocess.run(["apt-get", *command], check=True, stdout=sys.stderr, env=environment)


def _newest() -> Path | None:
    found = sorted(_ALL_VERSIONS.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """One server in a folder of its own. `start` it, `remove` it in the end."""

    def __init__(
        self, settings: Mapping[str, str] | None = None, *, parent: Path = _SHORT, inside: Sequence[str] = ()
    ) -> None:
        """``inside``: a command that runs another in a network of its own, from all of which clients may come."""
        self._bin = programs()
        self._inside = tuple(inside)
        self.folder = Path(tempfile.mkdtemp(prefix="trackpush-pg-", dir=parent))
        self.data = self.folder / "data"
        self.settings = {**_SETTINGS, **(settings or {})}
        (self.port,) = free_ports(1, address=self.settings["listen_addresses"], inside=inside)
        self._process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            owner = pwd.getpwnam(_USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)

    def create(self) -> None:
        """Make an empty cluster with the role `ROLE`."""
        self._run("initdb", "-D", self.data, "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-N")
        if self._inside:
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write("host all all 10.0.0.0/8 scram-sha-256\n")

    def start(self) -> None:
        """Start it, or start it again, until it answers."""
        made = (self.data / "PG_VERSION").exists()
        if not made:
            self.create()
        options = {**self.settings, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        flags = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._inside, *unprivileged(), str(self._bin / "postgres"), "-D", str(self.data), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        self._wait_until_it_answers()
        if not made:
            self.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")

    def stop(self) -> None:
        """Stop it cleanly; connections are cut."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill all its processes at once, as a power cut does."""
        process = self._process
        if process is None:
            return
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it cleanly, and start it again."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Kill it if it runs, and remove its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def standby(self) -> "Server":
        """A started server that follows this one; `promote` makes it a primary."""
        follower = Server(self.settings)
        source = f"host={self.folder} port={self.port} user=postgres application_name=standby"
        self._run("pg_basebackup", "-d", source, "-D", follower.data, "-R", "-X", "stream", "-c", "fast", "-N")
        follower.start()
        return follower

    def promote(self) -> None:
        """Make a standby a primary."""
        self.sql("SELECT pg_promote(true, 60)")

    def create_database(self, *, template: str = "template1") -> str:
        """A fresh database that `ROLE` owns; its name."""
        name = f"test_{next(_DATABASES)}"
        self.sql(f"CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database; connections to it are cut."""
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def dsn(self, database: str, *, port: int | None = None) -> str:
        """For a server under test; ``port`` is that of something between."""
        return f"postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{port or self.port}/{database}"

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """Run statements as the superuser; the rows as text, columns separated by ``|``."""
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database]
        return self._run(*command, "-h", self.folder, "-p", self.port, "-c", statement).strip()

    def log(self, lines: int = 30) -> str:
        """The end of its log."""
        file = self.folder / "log"
        return "\n".join(file.read_text(errors="replace").splitlines()[-lines:]) if file.exists() else ""

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its first process lives."""
        return self._process is not None and self._process.poll() is None

    def cpu_seconds(self) -> float:
        """What all its processes have used since they started, those that ended included."""
        own = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(_cpu(pid) for pid in (str(self.pid), *own))

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _START_SECONDS
        command = [*unprivileged(), str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        while subprocess.run(command, check=False, cwd=self.folder).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start:\n{self.log()}")
            time.sleep(0.05)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=30)

    def _run(self, program: str, *arguments: object) -> str:
        command = [*unprivileged(), str(self._bin / program), *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=self.folder)
        if done.returncode:
            raise PostgresError(f"{program}: {done.stderr}{done.stdout}\n{self.log()}")
        return done.stdout


def unprivileged() -> list[str]:
    """As PostgreSQL's own user, and gone with the test process, whatever ends that."""
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--pdeathsig=KILL"]


def _cpu(pid: str) -> float:
    """User and system time of a process and of its children that ended, in seconds."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
