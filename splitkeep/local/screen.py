"""The one screen that says where everything is and how to try it."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitkeep.local.state import State

FIRST_SECRET = {
    "metadata": {"name": "hello"},
    "spec": {"description": "my first secret", "value": "s3cret", "decrypters": ["k6-cloud"]},
}
COLLECTION = "/apis/secret.grafana.app/v1beta1/namespaces/{namespace}/securevalues"


def running_screen(state: State, description: Mapping[str, Any], *, own_state: bool) -> str:
    """What a person sees when everything is ready.

    With `own_state` the commands name the state directory, because it is not the default one.
    """
    choice = f" --state {shlex.quote(str(state.directory))}" if own_state else ""
    splitkeep = "python3 -m splitkeep"
    operations = description["operations"]
    return f"""
Splitkeep is running. Ctrl-C stops it; the data stay.

  REST API   {description["gateway"]}
  gRPC       metadata {description["metadata"]}, vault {description["vault"]} (decrypts)
  Metrics    {operations["gateway"]}/metrics, {operations["metadata"]}/metrics,
             {operations["vault"]}/metrics (and /healthz, /readyz)
  For tools  {state.description} (addresses, tokens, databases)
  Logs       {state.log("gateway").parent}

Create a secret, then read it as the service k6-cloud:

  TOKEN=$({splitkeep} token{choice} --role Admin)
  {_curl(description)}
  {splitkeep} decrypt{choice} hello

Back up the key file now, apart from the databases:

  cp -p {shlex.quote(str(state.kek_file))} SOME-SAFE-PLACE

Without it nobody can open the secrets again. `splitkeep dev --reset` destroys it with all data.
"""


def _curl(description: Mapping[str, Any]) -> str:
    address = description["gateway"] + COLLECTION.format(namespace=description["namespace"])
    words = [
        f"curl --cacert {shlex.quote(str(Path(description['ca'])))}",
        '-H "Authorization: Bearer $TOKEN"',
        "-H 'Content-Type: application/json'",
        address,
        f"-d {shlex.quote(json.dumps(FIRST_SECRET))}",
    ]
    return " \\\n    ".join(words)
