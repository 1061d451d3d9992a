"""PgBouncer before a server, in transaction mode: each transaction may meet another connection of the database."""

import shutil
import subprocess
import time
from pathlib import Path

from kube.rig.processes import free_ports
from support.postgres import PASSWORD, ROLE, PostgresError, Server, install, unprivileged

_SECONDS = 30.0
_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users.txt
pool_mode = transaction
default_pool_size = 6
max_client_conn = 100
"""


class Pooler:
    """`start` it, `stop` it in the end; its files are in the server's folder."""

    def __init__(self, server: Server) -> None:
        self.port = free_ports(1)[0]
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, until it listens."""
        program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
        if not Path(program).exists():
            install("pgbouncer")
        folder = self._server.folder / f"pooler-{self.port}"
        folder.mkdir(exist_ok=True)
        (folder / "users.txt").write_text(f'"{ROLE}" "{PASSWORD}"\n')
        settings = _SETTINGS.format(server=self._server.port, port=self.port, folder=folder)
        (folder / "pgbouncer.ini").write_text(settings)
        with (folder / "log").open("wb") as log:
            command = [*unprivileged(), program, str(folder / "pgbouncer.ini")]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + _SECONDS
        while "listening on" not in (text := (folder / "log").read_text()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise PostgresError(f"PgBouncer did not start:\n{text}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)
