"""Fit the predictor and the judge that come with the package, and write their card.

python benchmarks/assets.py TABLE        the parquet file of nas-bench-mr; left out, the imported one
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import ncp
from measure import use_threads
from ncp.evaluate import quality
from ncp.judge import digests_of, fit_searcher_and_judge, halves

ASSETS = Path(ncp.__file__).with_name("assets")
SEED = 0


def main() -> None:
    """Fit, measure each on the half that it has not seen, write."""
    use_threads(2)
    table = ncp.load_table(sys.argv[1] if len(sys.argv) > 1 else "nas-bench-mr")
    searcher, judge = fit_searcher_and_judge(table, SEED)
    mine, other = halves(table, SEED)
    card: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "remade by": "python benchmarks/assets.py",
        "table": "nas-bench-mr",
        "rows": f"{len(mine)} for the predictor, {len(other)} for the judge: two random halves of the sampled rows; "
        "the 11 rows added by hand are in neither",
        "seed": SEED,
        "values": digests_of(table, table.columns),
    }
    for role, predictor, unseen in (("search", searcher, other), ("judge", judge, mine)):
        path = ASSETS / f"nas-bench-mr.{role}.safetensors"
        predictor.save(path)
        measured = quality(predictor.predict(table.codes[unseen]), table.values[unseen], table.columns)
        card[role] = {
            "kind": predictor.kind,
            "bytes": path.stat().st_size,
            "on the half that it has not seen": {
                column: {"tau": round(q.tau, 4), "within one std": round(q.within_one, 3)}
                for column, q in measured.items()
            },
            "mean tau": round(float(np.mean([q.tau for q in measured.values()])), 4),
        }
    (ASSETS / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(card, indent=2))


if __name__ == "__main__":
    main()
