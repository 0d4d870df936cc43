"""The frames of the animation of a propagation: the open code at every step."""

from __future__ import annotations

from typing import Any

from ncp.app.layout import value_indices
from ncp.optim.results import Result, counting_of
from ncp.report.network_drawing import network_element
from ncp.spaces.multires import Code

SHOWN = 4
"""Most columns that are shown above the animation."""


def frames_of(result: Result) -> list[dict[str, Any]]:
    """Every step of the first start: its drawing, values, score, cost and the columns of the objective."""
    run, provenance = result.trajectory, result.provenance
    codes, scores = run.codes[:, 0], run.scores[:, 0]
    low, high = float(scores.min()), float(scores.max())
    span = (high - low) or 1.0
    columns = [(column, run.columns.index(column)) for column in provenance["columns"][:SHOWN]]
    gmacs = mparams = None
    counting = counting_of(provenance)
    if run.space.has_network:
        gmacs, mparams = counting.macs(codes) / 1e9, counting.params(codes) / 1e6
    frames = []
    for step, code in enumerate(codes.tolist()):
        facts = [] if gmacs is None else [["GMACs", f"{gmacs[step]:.3f}"]]
        facts += [] if mparams is None else [["M params", f"{mparams[step]:.2f}"]]
        facts += [[column, f"{run.values[step, 0, j]:.2f}"] for column, j in columns]
        frames.append(
            {
                "svg": network_element(Code.from_vector(code), counting) if run.space.has_network else "",
                "codes": value_indices(run.space, code),
                "score": f"{scores[step]:.2f}",
                "height": round((float(scores[step]) - low) / span, 3),
                "facts": facts,
            }
        )
    return frames
