"""An OpenID provider as a process of its own: it warns of itself, and warnings are errors in a test's process."""

import json
import sys

from oidc_provider_mock import User, run_server_in_thread

with run_server_in_thread(require_nonce=True, user_claims=[User(**user) for user in json.loads(sys.argv[1])]) as server:
    print(server.server_port, flush=True)  # noqa: T201  for whoever started it
    sys.stdin.read()
