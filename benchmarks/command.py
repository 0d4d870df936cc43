"""Whole commands as a user types them, including the start of the interpreter.

python -m benchmarks.command
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import median_seconds, record, use_threads

NCP = str(Path(sys.executable).with_name("ncp"))
SEARCH = ["search", "--tasks", "seg,cls-50-1000,video", "--max-gmacs", "4"]


def main() -> None:
    """Time a search and the help."""
    use_threads(2)

    def run(*arguments: str) -> None:
        subprocess.run([NCP, *arguments], check=True, capture_output=True)  # noqa: S603

    with tempfile.TemporaryDirectory() as folder:
        seconds = median_seconds(lambda: run(*SEARCH, "--out", folder), repeats=3)
    record(
        "command/search",
        claim=f"`ncp {' '.join(SEARCH)}`, the whole command",
        target="<= 12 s",
        value=round(seconds, 2),
        met=seconds <= 12,
        unit="s",
        runs=3,
    )
    seconds = median_seconds(lambda: run("--help"))
    record(
        "command/help",
        claim="`ncp --help`, the whole command",
        target="<= 0.5 s",
        value=round(seconds, 3),
        met=seconds <= 0.5,
        unit="s",
        runs=5,
    )


if __name__ == "__main__":
    main()
