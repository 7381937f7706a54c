"""Joints, joint regressor and skinning weights of the ARKit head, from MakeHuman's skeleton."""

import numpy as np
from arkit_head.parts import Part
from scipy.optimize import lsq_linear, nnls
from scipy.sparse import coo_matrix, diags

from omg_jax.data.makehuman import Makehuman
from omg_jax.head.model import JOINT_NAMES, NUM_JOINTS

SMOOTHING_STEPS = 12
# MakeHuman's neck has three bones where FLAME has one joint: how far each follows the head's turn.
NECK_BONES = {"neck01": 0.15, "neck02": 0.5, "neck03": 0.85}
# Candidates for regressing a joint: skin no farther from it (decimetres), and still under every expression.
REACH, STILL = 2.0, 1e-3


def joint_positions(makehuman: Makehuman, base: np.ndarray) -> np.ndarray:
    """The neck's (halfway up) and the jaw's joint on given base vertices, [2, 3] decimetres."""
    head = makehuman.skeleton.head
    return np.stack([(head("neck02", base) + head("neck03", base)) / 2, head("jaw", base)])


def regress_joint(position: np.ndarray, slopes: np.ndarray, template: np.ndarray, shape_basis: np.ndarray, rows):
    """Convex weights over `rows` that give a joint's position and its movement under each identity slider.

    position [3], slopes [3, S], template [V, 3], shape_basis [V, 3, S] -> weights [V].
    """
    moving = np.concatenate([shape_basis[rows].reshape(len(rows), -1), template[rows], np.ones((len(rows), 1))], axis=1)
    target = np.concatenate([slopes.ravel(), position, [1.0]])
    # Place and sum come before the sliders, of which few are far from zero at once.
    scale = np.concatenate([np.ones(slopes.size), np.full(4, 30.0)])
    weights = np.zeros(len(template))
    weights[rows] = nnls((moving * scale).T, target * scale)[0]
    return weights / weights.sum()


def regress_eye(centre: np.ndarray, template: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Weights over an eyeball that give its centre; close to even, so that every affine change is followed exactly."""
    system = np.concatenate([template[rows], np.ones((len(rows), 1))], axis=1).T
    even = np.full(len(rows), 1 / len(rows))
    correction = np.linalg.lstsq(system, np.append(centre, 1.0) - system @ even, rcond=None)[0]
    weights = np.zeros(len(template))
    weights[rows] = even + correction
    return weights


def sphere_centre(points: np.ndarray) -> np.ndarray:
    """Centre of the sphere that fits the points best (least squares, algebraic)."""
    system = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    return lsq_linear(system, np.sum(points**2, axis=1)).x[:3]


def skinning_weights(makehuman: Makehuman, parts: list[Part], faces: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Weights [V, 5]: the collar stays with the root, the neck fades into the head, eyeballs are rigid."""
    on_base = base_weights(makehuman)
    rows = [on_base[part.source_ids[:, 0]] if part.proxy is None else _carried(part, on_base) for part in parts]
    weights = np.concatenate(rows)
    skin = len(parts[0].source_ids)
    skin_faces = faces[(faces < skin).all(axis=1)]
    weights[:skin] = _smooth(weights[:skin], skin_faces, collar(skin_faces, template))
    start = skin
    for part in parts[1:]:
        stop = start + len(part.source_ids)
        if part.name.endswith("eyeball"):
            weights[start:stop] = np.eye(NUM_JOINTS)[JOINT_NAMES.index(part.name.replace("eyeball", "eye"))]
        start = stop
    return weights / weights.sum(axis=1, keepdims=True)


def base_weights(makehuman: Makehuman) -> np.ndarray:
    """Per base vertex: root, neck and jaw from MakeHuman's bones by what they hang from."""
    weights = np.zeros((len(makehuman.base.vertices), NUM_JOINTS))
    parents = makehuman.skeleton.parents
    for bone, (ids, values) in makehuman.weights.items():
        above = [bone]
        while parents[above[-1]] is not None:
            above.append(parents[above[-1]])
        share = 1.0 if "head" in above else NECK_BONES.get(bone, 0.0)
        joint = JOINT_NAMES.index("jaw" if "jaw" in above else "neck")
        weights[ids, joint] += share * values
        weights[ids, 0] += (1 - share) * values
    total = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, total, out=np.tile(np.eye(NUM_JOINTS)[0], (len(weights), 1)), where=total > 0)


def _carried(part: Part, on_base: np.ndarray) -> np.ndarray:
    """Weights of a fitted part: those of the base vertices it hangs on."""
    fitted = np.clip(np.einsum("nk,nkj->nj", part.proxy.weights, on_base[part.proxy.refs]), 0, None)
    return np.clip(np.einsum("nk,nkj->nj", part.source_weights, fitted[part.source_ids]), 0, None)


def collar(faces: np.ndarray, template: np.ndarray) -> np.ndarray:
    """Vertices of the lowest of the skin's boundary loops (the others are in the eye sockets)."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, counts = np.unique(edges, axis=0, return_counts=True)
    rim = np.unique(unique[counts == 1])
    low, high = template[:, 1].min(), template[:, 1].max()
    return rim[template[rim, 1] < low + (high - low) / 3]


def _smooth(weights: np.ndarray, faces: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Averages over neighbours a few times; the held vertices stay with the root."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(weights),) * 2).tocsr()
    graph = ((graph + graph.T) > 0).astype(float)
    mean = diags(1 / np.asarray(graph.sum(axis=1)).ravel()) @ graph
    for _ in range(SMOOTHING_STEPS):
        weights[held] = np.eye(NUM_JOINTS)[0]
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    weights[held] = np.eye(NUM_JOINTS)[0]
    return weights
