"""Two commits of mdn side by side: `benchmarks/core.py` and `benchmarks/sequences.py` of each, in turns. Prints ratios.

    python benchmarks/before_after.py BEFORE AFTER [--runs 3] [--only core sequences]

BEFORE and AFTER are names of commits. Each is checked out into a folder of its own, and runs its own benchmarks on its own
code with this Python, which has the peers that those need. A ratio is the median of AFTER's figures over that of BEFORE's:
below 1, AFTER is faster. The smallest and largest of the runs stand beside, since other programs may take the processors.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {"core": ["core.py", "--quick"], "sequences": ["sequences.py", "--rounds", "5"]}
FIGURE = re.compile(r"^(?:seed \d+ +)?(mdn(?:, [a-z ]+)?|\d+ steps) +([0-9.]+)\b")


def figures(output: str) -> dict[str, float]:
    """What a benchmark printed of ours: a number for each line that begins with "mdn" or "N steps", named by its heading too."""
    found, heading = {}, ""
    for line in output.splitlines():
        match = FIGURE.match(line.strip())
        if match:
            found[f"{heading}: {match[1].strip()}"] = float(match[2])
        elif line.strip() and not re.search(r"\d (?:ms|us|x|s)\b|left out|times as fast|largest difference", line):
            heading = re.split(r"[:;]", line.strip())[0]
    return found


def ran(tree: Path, command: list[str]) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "src"), os.environ.get("PYTHONPATH", "")])}
    asked = [sys.executable, tree / "benchmarks" / command[0], *command[1:]]
    done = subprocess.run(asked, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tree.name}: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return figures(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS))
    given = parser.parse_args()
    found = {"before": defaultdict(list), "after": defaultdict(list)}
    with tempfile.TemporaryDirectory() as folder:
        trees = {name: Path(folder) / name for name in found}
        for name, tree in trees.items():
            git = ["git", "-C", str(ROOT)]
            subprocess.run(
                [*git, "worktree", "add", "--quiet", "--detach", str(tree), getattr(given, name)], check=True
            )
        try:
            for run in range(given.runs):
                for benchmark in given.only:
                    for name, tree in trees.items():
                        for label, value in ran(tree, COMMANDS[benchmark]).items():
                            found[name][label].append(value)
                        print(f"  run {run + 1} of {given.runs}: {benchmark}, {name}", flush=True)
        finally:
            for tree in trees.values():
                subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=False)
    print(f"\nafter / before, medians of {given.runs} runs; before: {given.before}, after: {given.after}")
    for label in (label for label in found["before"] if label in found["after"]):
        before, after = found["before"][label], found["after"][label]
        print(
            f"  {statistics.median(after) / statistics.median(before):5.2f}  {label}: {statistics.median(after):.4g} "
            f"({min(after):.4g} to {max(after):.4g}) / {statistics.median(before):.4g} ({min(before):.4g} to {max(before):.4g})"
        )


if __name__ == "__main__":
    main()
