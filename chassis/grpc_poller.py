"""How gRPC's core reads from its connections: each in its turn.

For Python, grpcio 1.78 reads in one thread by default, and the thread stays with a connection
for as long as there is something to read. A client that sends faster than the core parses is
then the only one that is served (docs/upstream/one-connection-keeps-the-poller.md). The core's
event engine deals connections out to threads. In that version it is an experiment; later ones
have nothing else.
"""

from collections.abc import MutableMapping
from importlib.metadata import version

EXPERIMENT = "event_engine_poller_for_python"
VERSIONS = frozenset({"1.78.2"})  # those in which it was tried; later ones do not know the name

_VARIABLE = "GRPC_EXPERIMENTS"


def read_in_turns(environ: MutableMapping[str, str]) -> None:
    """In this program, and in those that it starts, every connection is read in its turn.

    Only for the start of a program, before anything imports `grpc`: it changes `environ`. What
    GRPC_EXPERIMENTS says already stands.
    """
    if version("grpcio") in VERSIONS:
        environ.setdefault(_VARIABLE, EXPERIMENT)
