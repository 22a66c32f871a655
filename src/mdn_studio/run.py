"""The process of a job: `python -m mdn_studio.run FOLDER` runs its command, and writes how it ended."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from mdn_studio import locks

_SAID = 4_000  # characters of the log, from its end, in which the last sentence of the command is looked for


def main(folder: Path) -> int:
    """Runs the command of a job; returns its exit code."""
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a studio in the background ignores it, and so would this process
    lock = locks.take(folder / "lock")
    if lock is None:
        return 0  # an earlier server has started this job, and it runs

    import mdn_cli
    from mdn.files import replacing

    command = json.loads((folder / "job.json").read_text())["command"]
    sys.argv = ["mdn", *command]
    code = 1
    try:
        mdn_cli.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with replacing(folder / "ended.json") as path:
            path.write_text(json.dumps({"code": code, "sentence": _last_sentence(folder, code)}))
    return code


def _last_sentence(folder: Path, code: int) -> str:
    from mdn_studio.jobs import FAILED

    if not code:
        return ""
    said = (folder / "log.txt").read_text(errors="replace")[-_SAID:]
    lines = [line[5:] for line in said.splitlines() if line.startswith("mdn: ")]
    return lines[-1] if lines else FAILED


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
