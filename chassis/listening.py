"""Why a process cannot listen where it is told to."""

import errno
import socket

from chassis.addresses import host_and_port
from chassis.config import StartHinderedError, StartRefusedError

_LASTING = {
    errno.EACCES: "this user may not listen on a port so low: choose another with {setting}",
    errno.EADDRNOTAVAIL: "this machine does not have the address: correct the HOST setting",
}
_TAKEN = "another process has the port: stop it or choose another with {setting}"
_UNRESOLVED = "the host name cannot be resolved: correct the HOST setting"


def port_problem(host: str, port: int, setting: str, error: OSError) -> StartRefusedError:
    """What to tell; `setting` names the variable that the port was given in."""
    where = f"cannot listen on {host_and_port(host, port)}"
    if isinstance(error, socket.gaierror):
        return StartRefusedError((f"{where}: {_UNRESOLVED}",))
    rule = _LASTING.get(error.errno or 0)
    if rule is not None:
        return StartRefusedError((f"{where}: {rule.format(setting=setting)}",))
    if error.errno == errno.EADDRINUSE:
        return StartHinderedError((f"{where}: {_TAKEN.format(setting=setting)}",))
    reason = error.strerror or type(error).__name__
    return StartHinderedError((f"{where}: {reason} (see {setting})",))
