"""Ctrl-C at random moments of real commands: `python tests/interrupts.py --tries 40`; too long for the suite.

Each try starts `mdn fit`, `mdn train jam` or `mdn train handwriting` in a folder of its own, on small data, and sends SIGINT at
a moment between its start and the end of an undisturbed run; every third try sends another a little later. It must end with
exit code 130 (0 if it was over already), and leave either a file that loads and predicts or the sentence that nothing was
learnt yet. A process that had not even begun says "mdn: stopped." alone.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ENTRY = "import sys; sys.argv[0] = 'mdn'; import mdn_cli; mdn_cli.main()"
NOTHING, EARLY, MOST = "nothing was learnt yet", "mdn: stopped.", 900.0


def table(folder: Path) -> list[str]:
    """A table, and the arguments of `mdn`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    rows = np.column_stack([x, np.sin(x[:, 0]) + 0.3 * rng.normal(size=len(x))])
    np.savetxt(folder / "t.csv", rows, delimiter=",", header="a,b,c,y", comments="")
    return ["fit", "t.csv", "--target", "y", "--ensemble", "2", "--epochs", "100", "--out", "m.mdn"]


def performances(folder: Path) -> list[str]:
    """Performances as MicroJam writes them, and the arguments of `mdn`."""
    rng = np.random.default_rng(0)
    names = [f"{i:02d}.csv" for i in range(24)]
    for name in names:
        times = np.cumsum(rng.exponential(0.05, 80))
        places = np.clip(0.5 + np.cumsum(rng.normal(0.0, 0.02, (80, 2)), axis=0), 0.0, 1.0)
        lines = [f"{t:.4f},{x:.4f},{y:.4f},0.0,0" for t, (x, y) in zip(times, places, strict=True)]
        (folder / name).write_text("\n".join(["time,x,y,z,moving", *lines]) + "\n")
    return ["train", "jam", *names, "--epochs", "6", "--out", "m.keras"]


def lines(folder: Path) -> list[str]:
    """The arguments of `mdn`: lines in fonts are made by it."""
    return ["train", "handwriting", "--data", "hershey", "--lines", "60", "--epochs", "2", "--out", "m.keras"]


def predicts_a_table(path: Path) -> bool:
    import mdn
    from mdn.data import read_table

    return bool(np.isfinite(mdn.load(path).predict(read_table(path.with_name("t.csv")).select(["a", "b", "c"]))).all())


def predicts_touches(path: Path) -> bool:
    from mdn.applications.jam import Jam, data, read_performances

    events = [data.events(read_performances(path.with_name("00.csv"))[0])]
    return bool(np.isfinite(Jam.load(path).model.log_prob(events)[0]).all())


def predicts_lines(path: Path) -> bool:
    from mdn.applications import handwriting
    from mdn.applications.handwriting.evaluate import nll
    from mdn.drawing.hershey import hershey_lines

    return bool(np.isfinite(nll(handwriting.load(path), hershey_lines(["in time", "on time"], 0))))


COMMANDS = {
    "fit": (table, predicts_a_table),
    "jam": (performances, predicts_touches),
    "handwriting": (lines, predicts_lines),
}


def run(make, home: Path, moments=()) -> tuple[Path, int | None, str, float]:
    """(folder, exit code or None if it had to be ended, what it said, seconds) of a command, pressed at so many seconds."""
    folder = Path(tempfile.mkdtemp(dir=home))
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src"), "XDG_CACHE_HOME": str(home / "cache")}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, *make(folder)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for moment in moments:
        try:
            process.wait(max(0.0, begun + moment - time.monotonic()))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
    try:
        said, _ = process.communicate(timeout=MOST)
    except subprocess.TimeoutExpired:
        process.kill()
        return folder, None, process.communicate()[0], time.monotonic() - begun
    return folder, process.returncode, said, time.monotonic() - begun


def judged(folder: Path, code: int | None, said: str, predicts) -> str:
    """What came of a try; what is wrong begins with "WRONG"."""
    found = [path for path in folder.iterdir() if path.name in ("m.mdn", "m.keras")]
    unfinished = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    said = " ".join(said.split())
    if code == -signal.SIGINT and not said:  # before Python had a handler; a shell says 130 of it, too
        return "stopped before it began"
    if "Traceback" in said or code not in (0, 130) or unfinished:
        return f"WRONG: exit code {code}, left {unfinished}: {said[-300:]}"
    if found:
        try:
            whole = predicts(found[0])
        except Exception as error:  # whatever is wrong with the file
            return f"WRONG: {found[0].name} cannot be used: {error!r}"
        return ("a whole file" if code == 0 else "the best so far") if whole else "WRONG: it predicts nothing finite"
    if code == 130 and NOTHING in said:
        return NOTHING
    if code == 130 and said.endswith(EARLY):
        return "stopped before it began"
    return f"WRONG: exit code {code}, no file and no sentence: {said[-300:]}"


def main() -> None:
    """Runs the tries and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=40, help="in all")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments")
    parser.add_argument("--commands", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    asked = parser.parse_args()
    # What a shell runs in the background ignores Ctrl-C, and so would the commands that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(asked.seed)
    print(f"seed {asked.seed}", flush=True)
    wrong = 0
    with tempfile.TemporaryDirectory() as home:
        lasts = {}
        for name in asked.commands:
            run(COMMANDS[name][0], Path(home))  # compiles what is kept on disk
            folder, code, said, lasts[name] = run(COMMANDS[name][0], Path(home))
            print(
                f"{name}, undisturbed: {lasts[name]:.1f} s, {judged(folder, code, said, COMMANDS[name][1])}", flush=True
            )
        for place in range(asked.tries):
            name = asked.commands[place % len(asked.commands)]
            moments = [rng.uniform(0.0, lasts[name])]
            if place % 3 == 2 - (place // 9) % 3:
                moments.append(moments[0] + rng.exponential(1.0))
            folder, code, said, seconds = run(COMMANDS[name][0], Path(home), moments)
            found = judged(folder, code, said, COMMANDS[name][1])
            wrong += found.startswith("WRONG")
            at = " and ".join(f"{moment:.2f}" for moment in moments)
            print(
                f"{place:3d}  {name:12s} Ctrl-C at {at:>15s} s, ended at {seconds:6.2f} s, {code}: {found}", flush=True
            )
    print(f"{asked.tries} tries, {wrong} wrong")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
