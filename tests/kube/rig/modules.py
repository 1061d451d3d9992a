"""Files of Go modules: CustomResourceDefinitions of others, to try our objects on."""

import json
import subprocess
from pathlib import Path

GATEWAY = ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml")
_PROMETHEUS = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
_MONITORING = "example/prometheus-operator-crd/monitoring.coreos.com_"
PROMETHEUS = (_PROMETHEUS, f"{_MONITORING}servicemonitors.yaml")
PROMETHEUS_RULES = (_PROMETHEUS, f"{_MONITORING}prometheusrules.yaml")


def module_file(module: str, path: str) -> Path:
    """A file of a module, downloaded into Go's module cache if it isn't there.

    Raises:
        subprocess.CalledProcessError: the module can't be had.
    """
    command = ["go", "mod", "download", "-json", module]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    return Path(json.loads(done.stdout)["Dir"]) / path
