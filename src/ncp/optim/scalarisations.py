"""Ways into a front: what each of its points adds to the hypervolume, without computing hypervolumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncp.spaces.arrays import Reals, chunks

REFERENCE = -3.0
"""Where hypervolumes begin [standard deviations from a table's mean]; of cost they begin at the budget."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Ways from a corner below a front into it: how far points reach along them adds up to their hypervolume.

    The hypervolume of points is a mean over directions of the largest reach to the power of k (Deng and Zhang 2019).

    Attributes:
        corner: `(k,)`, where they begin.
        inverse: `(ways, k)`, reach along a way per unit of an objective.
    """

    corner: Reals
    inverse: NDArray[np.float32]

    @classmethod
    def towards(cls, points: Reals, rays: Reals) -> Directions:
        """Rays `(ways, k)`, positive, into the box around points `(n, k)`; the objectives themselves come first.

        The box leaves out what is below the reference, unless that is the most.
        """
        k = points.shape[1]
        above = (points > REFERENCE).all(axis=1)
        low, high = points[above if 2 * above.sum() >= len(points) else slice(None)].min(axis=0), points.max(axis=0)
        span = np.maximum(high - low, 1e-9)
        towards = np.concatenate([np.eye(k), rays[k:]])
        towards = towards / np.linalg.norm(towards, axis=1, keepdims=True) + 1e-3  # never straight along the edge
        return cls(low - 1e-3 * span, (1 / (towards * span)).astype(np.float32))

    def reach(self, points: Reals) -> NDArray[np.float32]:
        """How far points `(n, k)` reach along every way, `(n, ways)`: to where they still dominate."""
        above = (points - self.corner).astype(np.float32)
        least = above[:, :1] * self.inverse[:, 0]
        for column, inverse in zip(above.T[1:], self.inverse.T[1:], strict=True):
            np.minimum(least, column[:, None] * inverse, out=least)
        return least

    def winners(self, points: Reals) -> NDArray[np.int64]:
        """Which points reach farthest along some way, each once."""
        ways = np.arange(len(self.inverse))
        top, winner = np.full(len(ways), -np.inf), np.zeros(len(ways), dtype=np.int64)
        for chunk in chunks(len(points), 512):
            reach = self.reach(points[chunk])
            first = reach.argmax(axis=0)
            better = reach[first, ways] > top
            top = np.where(better, reach[first, ways], top)
            winner = np.where(better, chunk.start + first, winner)
        return np.unique(winner)

    def chosen(self, points: Reals, size: int) -> NDArray[np.int64]:
        """At most `size` points, by how much hypervolume each adds to those before it; first the best of objectives."""
        k = points.shape[1]
        reach = self.reach(points).clip(0)
        first = list(dict.fromkeys(reach[:, :k].argmax(axis=0).tolist()))[:size]
        volume = reach**k
        chosen, top = first, volume[first].max(axis=0)
        gain = np.maximum(volume - top, 0).sum(axis=1)
        while len(chosen) < size and gain.max() > 0:
            best = int(gain.argmax())
            known, gain[best] = gain[best], np.maximum(volume[best] - top, 0).sum()
            if gain[best] == known > 0:  # else it has fallen since it was computed, and another may be best
                chosen.append(best)
                top = np.maximum(top, volume[best])
        return np.array(chosen, dtype=np.int64)
