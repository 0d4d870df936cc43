"""Remake results.json and the tables made of it: every claim's script in turn, each in a process of its own.

python benchmarks/run.py      needs the imported table of nas-bench-mr (ncp data fetch)
"""

import subprocess
import sys
from pathlib import Path

SCRIPTS = (
    *("space", "cost", "predictors", "propagation", "search", "parts"),
    *("network", "gpu", "export", "latency", "command", "compare", "compare_propagated"),
    *("pareto", "transfer", "own_table", "known", "busy", "table", "app"),
)


def main() -> None:
    """Run all; a script that fails does not keep the others from running."""
    folder = Path(__file__).parent
    failed = [
        script
        for script in SCRIPTS
        if subprocess.run([sys.executable, str(folder / f"{script}.py")], check=False).returncode  # noqa: S603
    ]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
