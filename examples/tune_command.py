"""Find a good backbone with few trainings, each by a program of one's own: examples/program/train.py.

python examples/tune_command.py      writes the folder tuned; the same call again goes on where it stopped

The command line does the same:
ncp tune --task examples/program/task.yaml --max-gmacs 0.002 --image-size 32 --classes 3 --trainings 3 --out tuned
"""

from pathlib import Path

import ncp

TASK = Path(__file__).parent / "program" / "task.yaml"


def main() -> None:
    """Train three codes, and print the best."""
    budget = ncp.Budget(max_macs=2e6, image_size=32, classes=3)
    found = ncp.tune(TASK, budget=budget, trainings=3, folder="tuned", workers=2, threads=1)  # the networks are tiny
    for row in found.best:
        print(f"{row.code}: top1 {row.values['mine/top1'].mean:.1f} %, {row.macs / 1e6:.1f} MMACs")
    print(f"stopped by: {found.stopped}; {len(found.study)} codes trained")
    # ncp.Study("tuned") opens the study again, and `ncp report tuned` makes a page of it.


if __name__ == "__main__":  # the workers are processes that import this file
    main()
