"""A client's endpoint, run in a pod: keeps what is posted, and gives it back at /log. Fails while told to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RECORDS: list[dict[str, object]] = []
STATUS = [200]
LOCK = threading.Lock()


class Client(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """A push, or ``/status/CODE``: what to answer from now on."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with LOCK:
            if self.path.startswith("/status/"):
                STATUS[0] = int(self.path.rpartition("/")[2])
                self._answer(200, b"")
                return
            status = STATUS[0]
            RECORDS.append({"status": status, "headers": dict(self.headers), "body": json.loads(body)})
        self._answer(status, b"")

    def do_GET(self) -> None:
        """What has come."""
        with LOCK:
            self._answer(200, json.dumps(RECORDS).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


ThreadingHTTPServer(("0.0.0.0", 9000), Client).serve_forever()
