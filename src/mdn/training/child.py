"""What a process runs that `mdn.training.processes.Child` has started."""

from __future__ import annotations

import json
import os
import pickle
import sys
import traceback
from pathlib import Path

from mdn.training.processes import REFUSED, TOLD, ends_with_its_parent
from mdn.training.team import is_of_xla, join


def can_be_mended(error: BaseException) -> bool:
    """Whether an error is a sentence for the user, and not that of XLA about another process that died."""
    return isinstance(error, ValueError | TypeError | OSError) and not is_of_xla(error)


def main(result: str) -> int:
    """Runs the function that comes on the standard input, and writes what it returns to a file; the exit status."""
    told = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is not for the process that listens

    def say(**what) -> None:
        print(TOLD + json.dumps(what), file=told, flush=True)

    with ends_with_its_parent() as (function, arguments):
        try:
            team = join()
            first = team.process == 0
            returned = function(*arguments, mesh=team.mesh, tell=(lambda value: say(told=value)) if first else None)
            if first:
                Path(result).write_bytes(pickle.dumps(returned))
        except BaseException as error:
            if can_be_mended(error):
                say(refused=str(error))
                return REFUSED
            traceback.print_exc()
            return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stderr.flush()
    if status:
        os._exit(status)  # the usual end waits for the other processes, which may never come
    sys.exit(0)
