"""Resources that people wrote, compiled as a server would."""

from pathlib import Path

from trackpush_api.compile import Compiled, compile_table
from trackpush_api.manifest import parse_manifests
from trackpush_api.problems import Severity

INPUTS = Path(__file__).parent / "inputs"
SERVER = """
apiVersion: trackpush.dev/v1alpha1
kind: WebhookServer
metadata: {name: main, namespace: trackpush}
spec:
  allowedNamespaces: {from: All}
  egress: {httpsOnly: false, allowedCIDRs: [127.0.0.0/8]}
"""


def compiled(*names: str, with_server: bool = True) -> Compiled:
    """The table and all problems of these inputs, beside a server that serves everybody."""
    files = {name: (INPUTS / name).read_text(encoding="utf-8") for name in names}
    parsed = parse_manifests(files | ({"server.yaml": SERVER} if with_server else {}))
    found = compile_table(parsed.resources, parsed.secrets)
    problems = sorted((*parsed.problems, *found.problems), key=lambda problem: problem.order)
    return Compiled(table=found.table, problems=tuple(problems))


def errors(found: Compiled) -> list[str]:
    """The errors, a line each."""
    return [str(problem) for problem in found.problems if problem.severity is Severity.ERROR]
