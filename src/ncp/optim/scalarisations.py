"""Random scalarisations of a front: which points add most to its hypervolume, without computing hypervolumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ncp.spaces.arrays import Reals, chunks

REFERENCE = -3.0
"""Reference point of hypervolumes [standard deviations from a table's mean]; for cost it is the budget."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions from a corner below a front into it.

    The hypervolume of points is proportional to the mean over random directions of the largest reach to the power of k
    (Deng and Zhang, IEEE Transactions on Evolutionary Computation 2019; Zhang and Golovin, ICML 2020).

    Attributes:
        corner: where all directions begin, `(k,)`.
        inverse: one over each direction, `(directions, k)`: the reach that one unit of an objective gives.
    """

    corner: Reals
    inverse: NDArray[np.float32]

    @classmethod
    def towards(cls, points: Reals, rays: Reals) -> Directions:
        """Directions into the bounding box of points, the k axes first.

        Points below the reference do not widen the box, unless they are the majority.

        Args:
            points: `(n, k)`.
            rays: positive directions `(directions, k)`, in shares of the box; the axes replace the first k.
        """
        k = points.shape[1]
        above = (points > REFERENCE).all(axis=1)
        inside = points[above] if 2 * above.sum() >= len(points) else points
        low, high = inside.min(axis=0), points.max(axis=0)
        span = np.maximum(high - low, 1e-9)
        towards = np.concatenate([np.eye(k), rays[k:]])
        towards = towards / np.linalg.norm(towards, axis=1, keepdims=True) + 1e-3  # a zero would give an infinite reach
        return cls(low - 1e-3 * span, (1 / (towards * span)).astype(np.float32))

    def reach(self, points: Reals) -> NDArray[np.float32]:
        """How far along each direction points `(n, k)` still dominate, `(n, directions)`."""
        above = (points - self.corner).astype(np.float32)
        least = above[:, :1] * self.inverse[:, 0]
        for column, inverse in zip(above.T[1:], self.inverse.T[1:], strict=True):
            np.minimum(least, column[:, None] * inverse, out=least)
        return least

    def winners(self, points: Reals) -> NDArray[np.int64]:
        """The points that reach farthest along at least one direction, each once."""
        every = np.arange(len(self.inverse))
        top, winner = np.full(len(every), -np.inf), np.zeros(len(every), dtype=np.int64)
        for chunk in chunks(len(points), 512):
            reach = self.reach(points[chunk])
            first = reach.argmax(axis=0)
            better = reach[first, every] > top
            top = np.where(better, reach[first, every], top)
            winner = np.where(better, chunk.start + first, winner)
        return np.unique(winner)

    def chosen(self, points: Reals, size: int) -> NDArray[np.int64]:
        """At most `size` points: the best of each objective, then those that add most hypervolume, one by one.

        Greedy with lazy evaluation (Minoux 1978): a point's gain only falls as others are chosen, so only the best is
        computed again.
        """
        k = points.shape[1]
        reach = self.reach(points).clip(0)
        first = list(dict.fromkeys(reach[:, :k].argmax(axis=0).tolist()))[:size]
        volume = reach**k
        chosen, top = first, volume[first].max(axis=0)
        gain = np.maximum(volume - top, 0).sum(axis=1)
        while len(chosen) < size and gain.max() > 0:
            best = int(gain.argmax())
            known = gain[best]
            gain[best] = np.maximum(volume[best] - top, 0).sum()
            if gain[best] == known:
                chosen.append(best)
                top = np.maximum(top, volume[best])
        return np.array(chosen, dtype=np.int64)
