"""Isolation forests with scikit-learn, and their arrays. Imports scikit-learn: for the trainer process only.

A forest cannot see beyond its training range: outside it every row takes the same path and the score saturates at
the edge. So part of every sample is background, drawn uniformly from the whole compressed range: it gives the trees
something to cut between the normal and the far, and the score keeps rising outwards.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest

from telemetry.frame import Float64s
from trainer.forest import ForestArrays
from trainer.served import Z_CLIP

TREES = 64
SAMPLES = 256
BACKGROUND = 0.25
"""Share of background points among the training rows of a forest."""
ROWS = 4096
"""Rows a forest is fitted on; each tree takes SAMPLES of them."""


def compress(z: Float64s) -> npt.NDArray[np.float32]:
    """`sign(z) log1p |z|`, cut at Z_CLIP: what the forests see."""
    clipped = np.clip(z, -Z_CLIP, Z_CLIP)
    return (np.sign(clipped) * np.log1p(np.abs(clipped))).astype(np.float32)


def with_background(z: Float64s, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Training rows of one forest from normalised features, shape (n, d), finite: a sample and its background."""
    if len(z) > ROWS:
        z = z[rng.choice(len(z), ROWS, replace=False)]
    count = max(1, round(len(z) * BACKGROUND / (1 - BACKGROUND)))
    reach = float(np.log1p(Z_CLIP))
    background = rng.uniform(-reach, reach, (count, z.shape[1])).astype(np.float32)
    return np.concatenate((compress(z), background))


def fit_forest(rows: npt.NDArray[np.float32], seed: int, trees: int = TREES) -> IsolationForest:
    """`contamination="auto"`: a number would score all training rows once more, for a threshold nobody uses."""
    forest = IsolationForest(
        n_estimators=trees, max_samples=min(SAMPLES, len(rows)), contamination="auto", random_state=seed
    )
    return forest.fit(rows)


def arrays_of(forests: list[IsolationForest]) -> ForestArrays:
    """One table of nodes for forests of equally many trees, children of a node side by side."""
    feature: list[npt.NDArray[np.int8]] = []
    threshold: list[Float64s] = []
    left: list[npt.NDArray[np.int32]] = []
    length: list[Float64s] = []
    roots: list[list[int]] = []
    offset, deepest = 0, 1
    for forest in forests:
        mine: list[int] = []
        for tree in forest.estimators_:
            f, t, child, p, depth = _tree(tree.tree_)
            mine.append(offset)
            feature.append(f)
            threshold.append(t)
            left.append(child + np.int32(offset))
            length.append(p)
            offset += len(f)
            deepest = max(deepest, depth)
        roots.append(mine)
    return ForestArrays(
        np.concatenate(feature),
        np.concatenate(threshold),
        np.concatenate(left),
        np.concatenate(length),
        np.array(roots, dtype=np.int32),
        np.array([_average_path(np.array([f.max_samples_]))[0] for f in forests]),
        deepest,
    )


def _tree(tree: object) -> tuple[npt.NDArray[np.int8], Float64s, npt.NDArray[np.int32], Float64s, int]:
    """Arrays of one tree, level by level, so that a right child stands behind its left sister."""
    old_left = np.asarray(tree.children_left)
    old_right = np.asarray(tree.children_right)
    level = np.array([0])
    order: list[npt.NDArray[np.intp]] = []
    depths: list[int] = []
    while len(level):
        order.append(level)
        depths.append(len(level))
        inner = level[old_left[level] >= 0]
        level = np.stack((old_left[inner], old_right[inner]), axis=1).ravel()
    old = np.concatenate(order)
    new = np.empty(len(old), dtype=np.int32)
    new[old] = np.arange(len(old), dtype=np.int32)
    leaf = old_left[old] < 0
    depth = np.repeat(np.arange(len(depths)), depths)
    left = np.where(leaf, np.arange(len(old)), new[np.where(leaf, 0, old_left[old])]).astype(np.int32)
    feature = np.where(leaf, 0, np.asarray(tree.feature)[old]).astype(np.int8)
    threshold = np.where(leaf, np.inf, np.asarray(tree.threshold)[old])
    path = np.where(leaf, depth + _average_path(np.asarray(tree.n_node_samples)[old]), 0.0)
    return feature, threshold, left, path, len(depths) - 1


def _average_path(n: npt.NDArray[np.int64]) -> Float64s:
    """c(n), the mean path length of an unsuccessful search in a binary tree (Liu, Ting & Zhou 2008, eq. 1)."""
    out = np.zeros(len(n))
    out[n == 2] = 1.0
    large = n > 2
    m = n[large].astype(np.float64)
    out[large] = 2.0 * (np.log(m - 1.0) + np.euler_gamma) - 2.0 * (m - 1.0) / m
    return out
