"""Fit the predictor and the judge that ship with the package, and write their card.

python -m benchmarks.assets [TABLE]      the parquet file of nas-bench-mr, if not the imported one
python -m benchmarks.assets --rewrite    fit nothing; write the same numbers in the current file format
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors import safe_open

import ncp
from benchmarks.measure import use_threads
from ncp.optim.judge import fit_searcher_and_judge, halves
from ncp.optim.pair_cache import digests_of
from ncp.predictors.file import write
from ncp.predictors.quality import quality

ASSETS = Path(ncp.__file__).with_name("assets")
CARD = ASSETS / "card.json"
SEED = 0


def main() -> None:
    """Fit both, measure each on the half that it was not fitted on, and write."""
    if sys.argv[1:] == ["--rewrite"]:
        rewrite()
        return
    use_threads(2)
    table = ncp.load_table(sys.argv[1] if len(sys.argv) > 1 else "nas-bench-mr")
    searcher, judge = fit_searcher_and_judge(table, SEED)
    mine, other = halves(table, SEED)
    card: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "python -m benchmarks.assets",
        "table": "nas-bench-mr",
        "rows": f"{len(mine)} for the predictor, {len(other)} for the judge: two random halves of the sampled rows; "
        "the 11 rows added by hand are in neither",
        "seed": SEED,
        "values": digests_of(table, table.columns),
    }
    for role, predictor, unseen in (("search", searcher, other), ("judge", judge, mine)):
        path = path_of(role)
        predictor.save(path)
        measured = quality(predictor.predict(table.codes[unseen]), table.values[unseen], table.columns)
        card[role] = {
            "kind": predictor.kind,
            "bytes": path.stat().st_size,
            "unseen_half": {
                column: {"tau": round(q.tau, 4), "within_one_std": round(q.within_one, 3)}
                for column, q in measured.items()
            },
            "mean_tau": round(float(np.mean([q.tau for q in measured.values()])), 4),
        }
    CARD.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card, indent=2))


def rewrite() -> None:
    """Write the shipped predictors, unchanged, in the current file format."""
    card = json.loads(CARD.read_text(encoding="utf-8"))
    for role in ("search", "judge"):
        path = path_of(role)
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["ncp"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        write(path, {key: value for key, value in about.items() if key not in ("format", "sha256")}, tensors)
        card[role]["bytes"] = path.stat().st_size
    CARD.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def path_of(role: str) -> Path:
    """The file of the predictor or of its judge."""
    return ASSETS / f"nas-bench-mr.{role}.safetensors"


if __name__ == "__main__":
    main()
