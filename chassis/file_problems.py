"""Why a file cannot be used, in words for people."""

import errno

_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of the path is no directory",
    errno.EISDIR: "it is a directory",
    errno.EACCES: "this user may not read it",
    errno.EPERM: "this user may not read it",
}


def file_problem(error: OSError) -> str:
    """The reason, without the path."""
    return _REASONS.get(error.errno or 0, error.strerror or type(error).__name__)
