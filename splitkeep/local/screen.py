"""The one screen that says where everything is and how to try it."""

import shlex
from collections.abc import Mapping
from typing import Any

from splitkeep.local.ports import LOOPBACK
from splitkeep.local.state import State

# The README has the same example.
NAME, VALUE = "pg-main", "correct horse"
SERVICES = ("gateway", "metadata", "vault")


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

  printf '{VALUE}' | {splitkeep} secret create{choice} {NAME} \\
    --description "Main database" --decrypter k6-cloud --from-file -
  {splitkeep} decrypt{choice} {NAME}

With kubectl:

  {splitkeep} kubeconfig{choice} --output {kubeconfig}
  kubectl --kubeconfig {kubeconfig} get securevalues

Back up the key file now, apart from the databases:

  cp -p {shlex.quote(str(state.kek_file))} SOME-SAFE-PLACE

Without it nobody can open the secrets again. It is destroyed with all data by

  {splitkeep} dev{choice} --reset
"""


def _by_name(address: str) -> str:
    """The same address, as a person writes it; the certificates have both."""
    return address.replace(LOOPBACK, "localhost")
