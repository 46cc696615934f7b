"""Isolation forests as plain arrays, scored with numpy.

scikit-learn spends some 24 ms on one row of a 200-tree forest, nearly all of it on dispatching trees; walking all
trees of all rows level by level in arrays costs a fraction of a millisecond and needs no scikit-learn where frames
are scored. The result is the same number: `tests/trainer/test_forest.py` holds it to 1e-12.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from telemetry.frame import Float64s

_CHUNK = 1 << 15
"""(row, tree) pairs walked at a time: the working arrays stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class ForestArrays:
    """The trees of g forests of t trees each, all over the same features.

    Nodes of all trees lie in one table. An inner node sends a row to `left` when its feature is <= `threshold` and
    to `left + 1` otherwise; a leaf points at itself, with an infinite threshold.
    """

    feature: npt.NDArray[np.int8]
    """Shape (nodes,); 0 at leaves."""
    threshold: Float64s
    """Shape (nodes,); inf at leaves."""
    left: npt.NDArray[np.int32]
    """Shape (nodes,)."""
    length: Float64s
    """Path length at leaves: depth + c(samples that ended there), Liu, Ting & Zhou 2008, eq. 1; 0 elsewhere."""
    roots: npt.NDArray[np.int32]
    """Shape (g, t)."""
    normaliser: Float64s
    """Shape (g,): c(samples a tree was grown on)."""
    depth: int
    """Edges from a root to the deepest leaf."""

    def score(self, x: npt.NDArray[np.float32], group: npt.NDArray[np.intp]) -> Float64s:
        """Isolation score of each row in the forest of its group, in (0, 1); higher is more anomalous.

        Equals `-score_samples` of the scikit-learn forest the arrays were taken from.

        Args:
            x: shape (n, features), float32 as scikit-learn compares it, without NaN.
            group: forest of each row, shape (n,).
        """
        trees = self.roots.shape[1]
        out = np.empty(len(x))
        step = max(1, _CHUNK // trees)
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            out[rows] = self._mean_length(x[rows], group[rows])
        out /= self.normaliser[group]
        return np.exp2(-out)

    def _mean_length(self, x: npt.NDArray[np.float32], group: npt.NDArray[np.intp]) -> Float64s:
        feature, threshold, left = self._table
        node: npt.NDArray[np.intp] = self.roots[group].astype(np.intp)
        flat = np.ascontiguousarray(x).ravel()
        base = (np.arange(len(x), dtype=np.intp) * x.shape[1])[:, None]
        place, value, bound = (
            np.empty_like(node),
            np.empty(node.shape, np.float32),
            np.empty(node.shape, np.float32),
        )
        # Every index is known to lie inside its table, and `clip` is how `take` does not look once more.
        for _ in range(self.depth):
            feature.take(node, out=place, mode="clip")
            place += base
            flat.take(place, out=value, mode="clip")
            threshold.take(node, out=bound, mode="clip")
            node = left.take(node, mode="clip")
            node += value > bound
        return self.length.take(node, mode="clip").sum(axis=1) / self.roots.shape[1]

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """`feature`, `threshold` and `left` as they are walked fastest.

        A float32 is greater than a threshold exactly where it is greater than the largest float32 not above it.
        """
        bound = self.threshold.astype(np.float32)
        bound = np.where(bound > self.threshold, np.nextafter(bound, np.float32(-np.inf)), bound)
        return self.feature.astype(np.intp), bound, self.left.astype(np.intp)


def check(forest: ForestArrays, features: int) -> str | None:
    """Why the arrays must not be walked, or None when every index stays inside them and every walk ends."""
    nodes = len(forest.feature)
    index = np.arange(nodes)
    leaf = forest.left == index
    if not (len(forest.threshold) == len(forest.left) == len(forest.length) == nodes > 0):
        return "node arrays differ in length"
    if forest.roots.ndim != 2 or forest.roots.size == 0 or len(forest.normaliser) != len(forest.roots):
        return "roots have the wrong shape"
    if forest.roots.min() < 0 or forest.roots.max() >= nodes:
        return "a root lies outside the nodes"
    if np.any(forest.feature < 0) or np.any(forest.feature >= features):
        return "a node splits on a feature that does not exist"
    if np.any(~leaf & ((forest.left <= index) | (forest.left + 1 >= nodes))):
        return "a child lies outside the nodes or before its parent"
    if not np.all(np.isfinite(forest.threshold[~leaf])) or not np.all(np.isposinf(forest.threshold[leaf])):
        return "a threshold is not finite, or a leaf has one"
    if not np.all(np.isfinite(forest.length)) or np.any(forest.length < 0):
        return "a path length is not a positive number"
    if not np.all(np.isfinite(forest.normaliser)) or np.any(forest.normaliser <= 0):
        return "a normaliser is not a positive number"
    if not 1 <= forest.depth <= 64:
        return "the depth is not between 1 and 64"
    return None
