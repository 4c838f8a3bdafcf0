"""What gRPC's core prints by itself: nothing, in a program of ours, unless asked for.

The core writes to standard error without a bound and past every log: a line for each header it
cannot read, which a stranger may send as fast as he likes. With GRPC_TRACE it also prints what
it receives, tokens and values among it. A variable that is in the environment by chance, or for
another program, must not have that effect.

The core reads its variables once, when `grpc` is imported (grpcio 1.78 and 1.85).
"""

from collections.abc import MutableMapping

VERBOSITIES = frozenset({"DEBUG", "INFO", "ERROR"})

_VERBOSITY, _TRACE = "GRPC_VERBOSITY", "GRPC_TRACE"
_NOTHING = "NONE"


def silence_core(environ: MutableMapping[str, str], *, unless: str) -> None:
    """The core prints nothing, in this program and in those that it starts.

    If the variable named `unless` has one of VERBOSITIES, the core prints that, and GRPC_TRACE
    has its effect. Only for the start of a program, before anything imports `grpc`: it changes
    `environ`.
    """
    asked = environ.get(unless, "").upper()
    if asked in VERBOSITIES:
        environ[_VERBOSITY] = asked
        return
    environ[_VERBOSITY] = _NOTHING
    environ.pop(_TRACE, None)
