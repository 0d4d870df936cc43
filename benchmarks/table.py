"""Write the claims of results.json as the table of the README.

python benchmarks/table.py
"""

import json
from pathlib import Path
from typing import Any

from ncp.files import whole_file

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"


def main() -> None:
    """Replace what stands between the markers."""
    results = json.loads(README.with_name("benchmarks").joinpath("results.json").read_text(encoding="utf-8"))
    lines = ["| claim | target | measured | | script |", "|---|---|---|---|---|"]
    for name, entry in results.items():
        if name == "machine" or entry["target"].startswith("none"):
            continue
        met = "met" if entry["met"] else "**missed**"
        script = f"{name.partition('/')[0]}.py"
        lines.append(f"| {entry['claim']} | {entry['target']} | {_shown(entry)} | {met} | {script} |")
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    with whole_file(README) as temporary:
        temporary.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + rest.split(END)[1], encoding="utf-8")


def _shown(entry: dict[str, Any]) -> str:
    """A figure with its unit; of several, those that are single numbers."""
    value = entry["value"]
    if not isinstance(value, dict):
        return f"{value:.3g} {entry['unit']}".strip() if value < 1000 else f"{value:,.0f} {entry['unit']}"
    return ", ".join(f"{key} {number:.4g}" for key, number in value.items() if isinstance(number, (int, float)))


if __name__ == "__main__":
    main()
