"""The one screen that says where everything is and how to try it."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from splitkeep.local.ports import LOOPBACK
from splitkeep.local.state import State

# The README has the same one.
FIRST_SECRET: Mapping[str, Mapping[str, object]] = {
    "metadata": {"name": "pg-main"},
    "spec": {
        "description": "Main database",
        "value": "correct horse",
        "decrypters": ["k6-cloud"],
    },
}
SERVICES = ("gateway", "metadata", "vault")
JSON = "Content-Type: application/json"
COLLECTION = "/apis/secret.grafana.app/v1beta1/namespaces/{namespace}/securevalues"


def running_screen(state: State, description: Mapping[str, Any], *, own_state: bool) -> str:
    """What a person sees when everything is ready.

    With `own_state` the commands name the state directory, because it is not the default one.
    """
    choice = f" --state {shlex.quote(str(state.directory))}" if own_state else ""
    splitkeep = "python3 -m splitkeep"
    gateway, metadata, vault = (_by_name(description[n]) for n in SERVICES)
    kubeconfig = shlex.quote(str(state.directory / "kubeconfig"))
    operations = description["operations"]
    return f"""
Splitkeep is running. Ctrl-C stops it; the data stay.

  REST API   {gateway}, described at {gateway}/docs
  gRPC       metadata {metadata}, vault {vault} (decrypts)
  Metrics    {operations["gateway"]}/metrics, {operations["metadata"]}/metrics,
             {operations["vault"]}/metrics (and /livez, /readyz)
  For tools  {state.description} (addresses, tokens, databases)
  Logs       {state.log("gateway").parent}

To try it, in a second terminal, from this directory: create a secret, then read it as the
service k6-cloud.

  CA={shlex.quote(str(description["ca"]))}
  ADMIN=$({splitkeep} token{choice} --role Admin)
  {_curl(description)}
  {splitkeep} decrypt{choice} {FIRST_SECRET["metadata"]["name"]}

With kubectl:

  {splitkeep} kubeconfig{choice} --output {kubeconfig}
  kubectl --kubeconfig {kubeconfig} get securevalues

Back up the key file now, apart from the databases:

  cp -p {shlex.quote(str(state.kek_file))} SOME-SAFE-PLACE

Without it nobody can open the secrets again. It is destroyed with all data by

  {splitkeep} dev{choice} --reset
"""


def _curl(description: Mapping[str, Any]) -> str:
    gateway = _by_name(description["gateway"])
    metadata, spec = (json.dumps(FIRST_SECRET[part]) for part in ("metadata", "spec"))
    lines = (
        f'curl --cacert "$CA" -H "Authorization: Bearer $ADMIN" -H "{JSON}"',
        gateway + COLLECTION.format(namespace=description["namespace"]),
        f'-d \'{{"metadata": {metadata},\n           "spec": {spec}}}\'',
    )
    return " \\\n    ".join(lines)


def _by_name(address: str) -> str:
    """The same address, as a person writes it; the certificates have both."""
    return address.replace(LOOPBACK, "localhost")
