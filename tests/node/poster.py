"""Posts updates at a URL as an aggregator does, one after the other, and tries again what wasn't answered with 200.

Standard input: ``{"url", "host", "key", "bodies": [...], "pause": seconds, "once": bool}``. Standard output: the AWBs
that were answered with 200, one line each, as they are. With ``once``, nothing is posted again: what wasn't answered
with 200 is a line ``lost:REASON``. SIGTERM: post until the update under way is taken, then end.
"""

import json
import signal
import sys
import time
import urllib.error
import urllib.request

TRIES = 200
SECONDS, SECONDS_ONCE = 5, 30
"""For one try; a sender that posts once waits longer, so that a slow answer is no lost one."""
STOPPED: list[int] = []


def post(task: dict[str, str], body: bytes) -> bool | str:
    """One try: True for 200, otherwise the reason."""
    headers = {"Host": task["host"], "webhook_key": task["key"], "Content-Type": "application/json"}
    request = urllib.request.Request(task["url"], data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_ONCE if task["once"] else SECONDS) as answer:
            return answer.status == 200 or f"HTTP-{answer.status}"
    except urllib.error.HTTPError as error:
        if error.code in {400, 401, 404}:
            sys.exit(f"{error.code}: {error.read()!r}")
        return f"HTTP-{error.code}"
    except OSError as error:
        return str(getattr(error, "reason", error)).replace(" ", "-") or type(error).__name__


def main() -> None:
    """Post all, or until stopped."""
    signal.signal(signal.SIGTERM, lambda number, _: STOPPED.append(number))
    task = json.load(sys.stdin)
    for body in task["bodies"]:
        if STOPPED:
            return
        for _ in range(TRIES):
            result = post(task, json.dumps(body).encode())
            if result is True:
                print(body["waybill"], flush=True)
                break
            if task["once"]:
                print(f"lost:{result}", flush=True)
                break
            time.sleep(0.2)
        else:
            sys.exit(f"{body['waybill']} was not taken")
        time.sleep(task["pause"])


main()
