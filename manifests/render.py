"""Renders the chart into one file for `kubectl apply -f`, or checks that the file is current."""

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import values_schema  # noqa: E402

from kube.rig import build  # noqa: E402  helm is built with the test cluster's programs

_HEAD = """\
# Rendered from helm/trackpush by `make manifests`; don't edit. kubectl apply --server-side -f manifests/install.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: trackpush
"""


def rendered() -> str:
    """The file's content."""
    command = [str(build.program("helm")), "template", "trackpush", str(ROOT / "helm/trackpush"), "-n", "trackpush"]
    done = subprocess.run([*command, "--skip-tests"], check=True, capture_output=True, text=True)
    return _HEAD + done.stdout


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    arguments = parser.parse_args()
    kinds, copies = ROOT / "crds", ROOT / "helm/trackpush/files/crds"
    stale = [path.name for path in kinds.glob("*.yaml") if path.read_text() != (copies / path.name).read_text()]
    if arguments.check:
        if values_schema.SCHEMA.read_text() != values_schema.rendered():
            sys.exit(f"{values_schema.SCHEMA} is not current: run `make manifests`")
        if stale or arguments.file.read_text() != rendered():
            sys.exit(f"{arguments.file} or the chart's copies of the kinds are not current: run `make manifests`")
    else:
        values_schema.SCHEMA.write_text(values_schema.rendered())
        arguments.file.write_text(rendered())


if __name__ == "__main__":
    main()
