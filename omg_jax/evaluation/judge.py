"""Scores pictures of a pair by every chosen metric. What methods share is computed once, what can be is batched."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, UInt8

from omg_jax.assets.registry import ASSETS
from omg_jax.evaluation import measures
from omg_jax.evaluation.faces import Face, HeadFit, HeadFitter, find_face, to_bytes
from omg_jax.evaluation.identity import FaceIdentity, arcface, sface
from omg_jax.evaluation.metrics import DEFAULT_KEYS, metric
from omg_jax.evaluation.pair import Pair
from omg_jax.evaluation.perceptual import NETS, Lpips, joined
from omg_jax.evaluation.regions import REGIONS, region_masks
from omg_jax.head.load import Head
from omg_jax.tracking.landmarks import FaceLandmarker

ROUNDING = 1e-3  # by which values may leave [0, 1]: sums of float32 weights do
TRACKER_KEYS = ("aed_tracker", "apd_tracker")
Column = list[float | None]
"""A metric's value for each frame."""


class Reference(NamedTuple):
    """What all methods' pictures of a pair are compared with; it is for the judge that made it.

    By driver frame: masks (region -> pixels), faces, fits and, by network, embeddings; by network, lpips (see Lpips)
    and source_embeddings. What the judge's metrics do not need, or the pair does not have, is empty. It takes 12 MB a
    frame of 512 x 512.
    """

    pair: Pair
    masks: list[dict[str, Bool[np.ndarray, "h w"]]]
    lpips: dict[str, list]
    faces: list[Face]
    fits: list[HeadFit | None]
    embeddings: dict[str, list[np.ndarray | None]]
    source_embeddings: dict[str, np.ndarray | None]


class Judge:
    """Scores pictures of one pair by every chosen metric.

    head: the one whose parameters the pairs hold. keys: of metrics.METRICS. arcface_file: the user's ONNX file, which
    the metrics of ArcFace need. Not safe to share between threads. ValueError where a key is unknown, weights are
    missing, or the head has too few landmarks.
    """

    def __init__(self, head: Head, keys: tuple[str, ...] = DEFAULT_KEYS, *, arcface_file: Path | str | None = None):
        self.keys, self._head = keys, head
        sees_faces = any([metric(key).of_face for key in keys])  # a list: every key is looked up
        self._lpips = {net: Lpips(net) for net in NETS if f"lpips_{net}" in keys}
        self._regions = [region for region in REGIONS if f"psnr_{region}" in keys]
        self._landmarker = FaceLandmarker() if sees_faces else None
        self._identities = {net: _load_identity(net, arcface_file) for net in ("sface", "arcface") if _asks(keys, net)}
        self._fitter = HeadFitter(head) if set(TRACKER_KEYS) & set(keys) else None

    @property
    def back_ends(self) -> dict[str, str]:
        """What computes each metric, with the SHA-256 of the weights that are in it."""
        return {key: self._back_end(key) for key in self.keys}

    def reference(self, pair: Pair) -> Reference:
        """Everything about a pair's photo and driver frames that its methods share."""
        # What a method returns at once computes in the background while the face nets run.
        lpips = {net: by.prepare(pair.driver_images) for net, by in self._lpips.items() if pair.has_targets}
        drivers, photo = [to_bytes(image) for image in pair.driver_images], to_bytes(pair.source_image)
        faces, photo_face = self._find(drivers), self._find([photo])
        embeddings = {net: _embed(by, drivers, faces) for net, by in self._identities.items() if pair.has_targets}
        return Reference(
            pair=pair,
            masks=self._masks(pair) if pair.has_targets and self._regions else [],
            lpips=lpips,
            faces=faces,
            fits=self._fit_drivers(pair, faces),
            embeddings=embeddings,
            source_embeddings={net: _embed(by, [photo], photo_face)[0] for net, by in self._identities.items()},
        )

    def score(self, reference: Reference, pictures: list[np.ndarray]) -> list[dict[str, float | None]]:
        """A row of metrics for each driver frame, of one method's pictures [h, w, 3] in [0, 1].

        None: the metric needs a target and the pair has none, a region is empty, no face was found in the picture or
        in what it is compared with, or it is the flicker of a frame whose predecessor in the video is not drawn.
        ValueError, naming the frame, where a picture is missing, is of another size than the frames, is not finite or
        leaves [0, 1].
        """
        pair = reference.pair
        _check(pictures, pair)
        stack = np.stack(pictures).astype(np.float32)
        distances = {net: self._lpips[net].distances(targets, stack) for net, targets in reference.lpips.items()}
        columns = self._by_pixel(reference, stack) if pair.has_targets else {}
        columns |= self._by_face(reference, stack)
        columns |= {f"lpips_{net}": joined(batches, len(stack)) for net, batches in distances.items()}
        nothing: Column = [None] * len(stack)
        known = {key: columns.get(key, nothing) for key in self.keys}
        return [{key: column[index] for key, column in known.items()} for index in range(len(stack))]

    def _by_pixel(self, reference: Reference, pictures: Float[np.ndarray, "t h w 3"]) -> dict[str, Column]:
        """The metrics that compare pixels."""
        targets = reference.pair.driver_images
        pairs = list(zip(pictures, targets, strict=True))
        squared = [measures.squared_errors(*both) for both in pairs]
        columns: dict[str, Column] = {"psnr": [measures.decibels(errors) for errors in squared]}
        for region in self._regions:
            masked = zip(squared, reference.masks, strict=True)
            columns[f"psnr_{region}"] = [measures.decibels(errors[masks[region]]) for errors, masks in masked]
        if "ssim" in self.keys:
            columns["ssim"] = [measures.ssim(*both) for both in pairs]
        if "flicker" in self.keys:
            neighbours = zip(pairs[1:], pairs[:-1], strict=True)
            in_time = [after - before == 1 for before, after in itertools.pairwise(reference.pair.frame_numbers)]
            columns["flicker"] = [None] + [
                measures.flicker(*now, *before) if is_next else None
                for (now, before), is_next in zip(neighbours, in_time, strict=True)
            ]
        return columns

    def _by_face(self, reference: Reference, pictures: Float[np.ndarray, "t h w 3"]) -> dict[str, Column]:
        """The metrics that see faces."""
        pair, columns = reference.pair, {}
        drawn = [to_bytes(picture) for picture in pictures]
        faces = self._find(drawn)
        for net, identity in self._identities.items():
            embeddings = _embed(identity, drawn, faces)
            photo = [reference.source_embeddings[net]] * len(faces)
            columns[f"csim_{net}_source"] = _compare(measures.csim, embeddings, photo)
            if pair.has_targets:
                columns[f"csim_{net}_target"] = _compare(measures.csim, embeddings, reference.embeddings[net])
        if pair.has_targets and "akd_mediapipe" in self.keys:
            columns["akd_mediapipe"] = _compare(
                lambda a, b: measures.akd(a.points[:, :2], b.points[:, :2], min(_size(pair))), faces, reference.faces
            )
        if self._fitter:
            fits = self._fitter.fit(faces, _size(pair), jnp.asarray(pair.source_params.shape_params))
            columns["aed_tracker"] = _compare(
                lambda a, b: measures.aed(a.expression, b.expression), fits, reference.fits
            )
            columns["apd_tracker"] = _compare(lambda a, b: measures.apd(a.angles, b.angles), fits, reference.fits)
        return columns

    def _find(self, pictures: list[UInt8[np.ndarray, "h w 3"]]) -> list[Face]:
        return [find_face(self._landmarker, picture) for picture in pictures] if self._landmarker else []

    def _fit_drivers(self, pair: Pair, faces: list[Face]) -> list[HeadFit | None]:
        """In the source's shape where the driver is the same person, else in the driver's own."""
        if not self._fitter:
            return []
        size, shape = _size(pair), jnp.asarray(pair.source_params.shape_params)
        return self._fitter.fit(faces, size, shape if pair.has_targets else self._fitter.shape(faces, size))

    def _masks(self, pair: Pair) -> list[dict[str, Bool[np.ndarray, "h w"]]]:
        driven, masks = (pair.driver_params, pair.driver_camera), []
        for index, matte in enumerate(pair.driver_mattes):
            params, camera = jax.tree.map(lambda x: x[index], driven)  # noqa: B023
            masks.append(region_masks(self._head, params, camera, matte))
        return masks

    def _back_end(self, key: str) -> str:
        kind, _, name = key.partition("_")
        landmarks = f"MediaPipe's face landmarker, sha256 {ASSETS['face-landmarker'].sha256}"
        head = f"the head {self._head.name}, sha256 {self._head.sha256}"
        match kind:
            case "lpips":
                return self._lpips[name].back_end
            case "csim":
                return f"{self._identities[name.partition('_')[0]].back_end}; aligned by {landmarks}"
            case "akd":
                return landmarks
            case "aed" | "apd":
                return f"omg_jax's tracker with {head}; {landmarks}"
            case _:
                return f"omg_jax.evaluation, regions of {head}" if name else "omg_jax.evaluation"


def _load_identity(net: str, arcface_file: Path | str | None) -> FaceIdentity:
    if net == "sface":
        return sface()
    if arcface_file is None:
        raise ValueError("metrics of ArcFace need a network that nobody may pass on: give its ONNX file (--arcface)")
    return arcface(arcface_file)


def _asks(keys: tuple[str, ...], net: str) -> bool:
    return any(key.startswith(f"csim_{net}") for key in keys)


def _embed(identity: FaceIdentity, pictures: list[np.ndarray], faces: list[Face]) -> list[np.ndarray | None]:
    pairs = zip(pictures, faces, strict=True)
    return [identity(picture, face.points) if face else None for picture, face in pairs]


def _compare(measure: Callable[[Any, Any], float], ours: Sequence[Any], theirs: Sequence[Any]) -> Column:
    """A measure of each frame; None where either side has nothing."""
    pairs = zip(ours, theirs, strict=True)
    return [None if a is None or b is None else measure(a, b) for a, b in pairs]


def _size(pair: Pair) -> tuple[int, int]:
    return pair.driver_images.shape[1:3]


def _check(pictures: list[np.ndarray], pair: Pair) -> None:
    expected = pair.driver_images.shape[1:]
    if len(pictures) != len(pair.frame_numbers):
        raise ValueError(
            f"pair {pair.name}: expected a picture for each of {len(pair.frame_numbers)} frames, got {len(pictures)}"
        )
    for number, picture in zip(pair.frame_numbers, pictures, strict=True):
        place = f"pair {pair.name}, frame {number}"
        if picture.shape != expected:
            raise ValueError(f"{place}: expected a picture of shape {expected}, got {picture.shape}")
        low, high = float(picture.min()), float(picture.max())  # not a number where any value is
        if not (-ROUNDING <= low and high <= 1.0 + ROUNDING):
            raise ValueError(f"{place}: expected finite values in [0, 1], got values from {low:.3g} to {high:.3g}")
