"""Becomes another program that ends when the process which started it ends.

Run as a file by a bare interpreter (`python -I -S leash.py PARENT SIGNAL UID GID PROGRAM …`),
hence standard library only. UID and GID are -1 to stay who one is.

- Linux: the kernel sends SIGNAL when the parent is gone, also after SIGKILL (prctl(2),
  PR_SET_PDEATHSIG). The wish is lost on a change of user, so it is made after that, and it
  survives the exec. Elsewhere there is no such promise.
- No process stays in between: the program takes this one's place and its id.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def become_user(uid: int, gid: int) -> None:
    """The process has this user's and group's rights and no others."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def end_with_parent(parent: int, signal_number: int) -> None:
    """The process ends with its parent, and at once if that is gone already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Replaces this process; does not return."""
    parent, signal_number, uid, gid = (int(word) for word in arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        become_user(uid, gid)
    end_with_parent(parent, signal_number)
    try:
        os.execv(program[0], program)  # noqa: S606  # a known program, no shell
    except OSError as error:
        sys.exit(f"{program[0]} cannot be run: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
