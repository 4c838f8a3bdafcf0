"""`python3 -m splitkeep`: makes its environment, moves into it and runs the command.

Until the environment exists only the standard library is used, and this file can be read by
every Python 3, so that one that is too old is told so in a sentence.
"""

import sys

OLDEST = (3, 11)


def main() -> int:
    """Runs the command line in the right environment; answers the exit code."""
    if sys.version_info < OLDEST:  # the reader's Python, not the project's
        running = ".".join(str(part) for part in sys.version_info[:3])
        print(
            "splitkeep needs Python 3.11 or newer; this is Python " + running + ".\n"
            "Install one (Debian and Ubuntu: apt-get install python3.11 python3.11-venv) and "
            "run the command with it.",
            file=sys.stderr,
        )
        return 2
    from splitkeep import environment  # noqa: PLC0415  # not readable by an older Python

    try:
        environment.enter(sys.argv[1:])
    except environment.SetupError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    try:
        from splitkeep.cli import run  # noqa: PLC0415  # needs the environment

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return environment.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
