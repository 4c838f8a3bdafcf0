"""`python3 -m splitkeep`: reads the words, makes its environment, moves into it and runs them.

Until the environment exists only the standard library is used, and this file can be read by
every Python 3, so that one that is too old is told so in a sentence.
"""

import os
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
    from splitkeep import cli, environment  # noqa: PLC0415  # not readable by an older Python

    words = sys.argv[1:]
    completing = cli.COMPLETE_VARIABLE in os.environ
    if completing:
        words = ["completion", "bash"]
    try:
        cli.parse(words)  # help, and what is wrong with the words, need no environment
        environment.enter(words)
        _silence_grpc()
        code = _complete() if completing else cli.run(words)
    except environment.SetupError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        code = environment.INTERRUPTED
    if "grpc" in sys.modules:
        from chassis.process import leave  # noqa: PLC0415  # needs the environment

        leave(code)
    return code


def _complete() -> int:
    from splitkeep.manage.app import complete  # noqa: PLC0415  # needs the environment

    complete()


def _silence_grpc() -> None:
    """Before anything imports it."""
    from chassis.grpc_core_output import silence_core  # noqa: PLC0415  # as above

    silence_core(os.environ, unless="SPLITKEEP_GRPC_VERBOSITY")


if __name__ == "__main__":
    sys.exit(main())
