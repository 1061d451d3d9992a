"""Posts updates at a URL as an aggregator does, one after the other, and tries again what wasn't answered with 200.

Standard input: ``{"url", "host", "key", "bodies": [...], "pause": seconds}``. Standard output: the AWBs that were
answered with 200, one line each, as they are. SIGTERM: post until the update under way is taken, then end.
"""

import json
import signal
import sys
import time
import urllib.error
import urllib.request

TRIES = 200
STOPPED: list[int] = []


def post(task: dict[str, str], body: bytes) -> bool:
    """One try."""
    headers = {"Host": task["host"], "webhook_key": task["key"], "Content-Type": "application/json"}
    request = urllib.request.Request(task["url"], data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        if error.code in {400, 401, 404}:
            sys.exit(f"{error.code}: {error.read()!r}")
        return False
    except OSError:
        return False


def main() -> None:
    """Post all, or until stopped."""
    signal.signal(signal.SIGTERM, lambda number, _: STOPPED.append(number))
    task = json.load(sys.stdin)
    for body in task["bodies"]:
        if STOPPED:
            return
        for _ in range(TRIES):
            if post(task, json.dumps(body).encode()):
                print(body["waybill"], flush=True)
                break
            time.sleep(0.2)
        else:
            sys.exit(f"{body['waybill']} was not taken")
        time.sleep(task["pause"])


main()
