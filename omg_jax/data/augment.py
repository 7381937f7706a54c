"""Augmentation that respects geometry: pairs with other colours, crops, sides, matte edges, and things in the way.

What a pair looks like is a pure function of (seed, sample). A source frame has a small number of looks, so that the
frozen backbone's tokens of each can be kept: look 0 is the frame as it is, and whatever else the source shows follows
from (seed, clip, frame, look). Both frames show one person in one light, so the source's look decides the side and the
colours of the target too; the target's own crop follows from the sample.

- Crops turn and zoom the picture within itself, never beyond its border: there the person would end in a straight cut
  that the other frame does not have. Camera and pixels move together.
- A mirrored pair shows the mirrored person: pictures, cameras and head parameters.
- Rims are what is left of a change of background where pictures lie on black: the source is laid on other colours and
  cut out again, by a matte that is here too wide and there too narrow or too soft, as those of real photos are.
- The head's shape is off by what landmarks leave open, as a tracked one is: of the face little, of ears, skull and neck
  more. A person of exact shape would teach that whatever sticks out of the head model is no part of them.
- Occluders stand before the person in the source alone. The matte takes them for a part of the person or cuts them out.
- The source alone has noise, and the traces of JPEG.

Pictures stay in eight bits, and are worked on by numpy and Pillow, mostly outside the interpreter's lock.
"""

import io
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image, ImageFilter

from omg_jax.config import AugmentConfig
from omg_jax.data.occluders import bar, cover, glasses, hand
from omg_jax.data.view import View, crop_of, fitting_crop, head_centre, mirror_of, pixel_of
from omg_jax.head.flame import WORLD_UNITS_PER_METRE
from omg_jax.head.load import Head
from omg_jax.head.mirror import mirrored_units
from omg_jax.head.model import JOINT_NAMES, head_landmarks, joint_positions

# Keep the draws for samples, for what both frames share and for the source alone apart, and from those of pairs.py.
_SAMPLE_STREAM, _SHARED_STREAM, _SOURCE_STREAM = 3, 4, 5
_LUMA = np.array([0.299, 0.587, 0.114])
EYE_SURFACE = 0.15  # world units from an eyeball's centre to the front, where glasses sit
SHIFT = 0.05  # standard deviation of a source crop's centre, over the picture's side
RIM_RADIUS = 1 / 96  # widest blur of a wrong matte's edge, over the picture's side
JPEG_QUALITIES = (30, 85)
INDEPENDENT_LANDMARKS = 50  # so many errors' worth are in all landmarks of a picture, as neighbours err together
SHAPE_PRIOR = 0.3  # standard deviation of a shape's coefficients where no landmark tells of them


class Augmentation(NamedTuple):
    """What a run's pairs are changed by. mirrored_units: None where the head is not symmetric; eyes: world units.

    shape_spread: a matrix that makes errors of the shape out of standard normal numbers; None where there are none.
    """

    options: AugmentConfig
    mirrored_units: Int[np.ndarray, " e"] | None
    eyes: Float[np.ndarray, "2 3"]
    shape_spread: Float[np.ndarray, "s s"] | None


class Change(NamedTuple):
    """How one pair is changed: the look of its source, from 1 on, and the seeds of all that is drawn."""

    augmentation: Augmentation
    look: int
    shared_seed: tuple[int, ...]
    source_seed: tuple[int, ...]
    target_seed: tuple[int, ...]


class Colours(NamedTuple):
    """A change of colours that keeps black: a matrix on (r, g, b), then a power of each channel."""

    matrix: Float[np.ndarray, "3 3"]
    gamma: float


def make_augmentation(options: AugmentConfig, head: Head) -> Augmentation | None:
    """What changes the pairs of a run, or None where nothing does. ValueError where an option is out of its range."""
    check_augment(options)
    if not options.share:
        return None
    eyes = np.asarray(joint_positions(head.model))[[JOINT_NAMES.index(name) for name in ("left_eye", "right_eye")]]
    eyes += np.array([0.0, 0.0, EYE_SURFACE], np.float32)
    spread = shape_spread(head, options.shape_error) if options.shape_error else None
    return Augmentation(options, mirrored_units(head), eyes, spread)


def shape_spread(head: Head, millimetres: float) -> Float[np.ndarray, "s s"]:
    """A root of the covariance of the shapes that landmarks with such errors are compatible with.

    That is the shape's posterior, linear in the landmarks. ValueError where the head has no landmarks.
    """
    model = head.model
    if not len(model.landmark_faces):
        raise ValueError("train.augment.shape_error needs a head with landmarks: give another --head, or set it to 0")
    rows = np.asarray(head_landmarks(model, jnp.moveaxis(model.shape_basis, -1, 0)), np.float64)  # of a coefficient
    error = millimetres / 1000.0 * WORLD_UNITS_PER_METRE
    weight = INDEPENDENT_LANDMARKS / rows.shape[1] / error**2
    rows = rows.reshape(len(rows), -1)
    precision = weight * rows @ rows.T + np.eye(len(rows)) / SHAPE_PRIOR**2
    return np.linalg.inv(np.linalg.cholesky(precision)).T.astype(np.float32)


def check_augment(options: AugmentConfig) -> None:
    """ValueError where an option is out of its range."""
    ranges = {
        **dict.fromkeys(("share", "mirror", "rim", "occluder", "jpeg"), (0, 1, "a share")),
        **dict.fromkeys(("exposure", "white_balance", "gamma", "saturation", "noise"), (0, 1, "an end of a range")),
        **dict.fromkeys(("source_roll", "target_roll"), (0, 45, "degrees")),
        **dict.fromkeys(("source_zoom", "target_zoom"), (1, 4, "a factor")),
        "shape_error": (0, 20, "a length in millimetres"),
        "variants": (1, 2**31, "a number of looks"),
    }
    for name, (low, high, what) in ranges.items():
        value = getattr(options, name)
        if not low <= value <= high:
            raise ValueError(f"train.augment.{name} is {what}: expected {low} to {high}, got {value}")


def change_at(augmentation: Augmentation, seed: int, sample: int, clip: int, frame: int) -> Change | None:
    """How sample number ``sample`` of a run is changed, whose source is a frame of a clip; None: not at all."""
    rng = np.random.default_rng([seed, _SAMPLE_STREAM, sample])
    if rng.random() >= augmentation.options.share:
        return None
    look = 1 + int(rng.integers(augmentation.options.variants))
    shared, source = ((seed, stream, clip, frame, look) for stream in (_SHARED_STREAM, _SOURCE_STREAM))
    return Change(augmentation, look, shared, source, (seed, _SAMPLE_STREAM, sample, 1))


def change_pair(
    source: View, target: View, change: Change, window: int, window_shift: tuple[float, float]
) -> tuple[View, View]:
    """Both frames of a pair as the change has them, the target cropped to its window.

    window_shift: see pairs.window_corner. ValueError where a camera's pixels are not square.
    """
    augmentation, options = change.augmentation, change.augmentation.options
    rng = np.random.default_rng(change.shared_seed)
    mirrored, colours = rng.random() < options.mirror, draw_colours(options, rng)
    if mirrored and augmentation.mirrored_units is not None:
        source, target = (mirror_of(view, augmentation.mirrored_units) for view in (source, target))
    if augmentation.shape_spread is not None:
        error = augmentation.shape_spread @ rng.standard_normal(len(augmentation.shape_spread), np.float32)
        source, target = (with_shape_error(view, error) for view in (source, target))
    source = change_source(source, augmentation, colours, np.random.default_rng(change.source_seed))
    rng, size = np.random.default_rng(change.target_seed), target.image.shape[0]
    centre = head_centre(target) + np.asarray(window_shift)[::-1] * (size - window) / 2.0
    roll, zoom = draw_tilt(options.target_roll, options.target_zoom, rng)
    target = crop_of(target, fitting_crop(centre, roll, zoom, window, size))
    return source, target._replace(image=recolour(target.image, colours))


def with_shape_error(view: View, error: Float[np.ndarray, "s"]) -> View:
    """The view with another shape of the head; its picture stays."""
    return view._replace(params=view.params._replace(shape_params=view.params.shape_params + error))


def change_source(view: View, augmentation: Augmentation, colours: Colours, rng: np.random.Generator) -> View:
    """The source in another crop and other colours, with what stands before it, and what mattes and cameras do."""
    options, size = augmentation.options, view.image.shape[0]
    roll, zoom = draw_tilt(options.source_roll, options.source_zoom, rng)
    view = crop_of(view, fitting_crop(size * rng.normal(0.5, SHIFT, 2), roll, zoom, size, size))
    if rng.random() < options.occluder:
        view = occlude(view, augmentation.eyes, rng)
    if rng.random() < options.rim:
        view = wrong_rim(view, rng)
    image = recolour(view.image, colours)
    image = grainy(image, options.noise * rng.random(), rng)
    if rng.random() < options.jpeg:
        image = through_jpeg(image, int(rng.integers(*JPEG_QUALITIES)))
    return view._replace(image=image)


def draw_tilt(max_roll: float, max_zoom: float, rng: np.random.Generator) -> tuple[float, float]:
    """A turn in radians (max_roll: degrees), and a zoom."""
    return float(np.deg2rad(rng.uniform(-max_roll, max_roll))), float(max_zoom ** rng.random())


def draw_colours(options: AugmentConfig, rng: np.random.Generator) -> Colours:
    """Another light and another camera."""

    def factors(end: float, count: int) -> np.ndarray:
        return np.exp(rng.uniform(-end, end, count))

    gains = factors(options.exposure, 1) * factors(options.white_balance, 3)
    saturation, gamma = factors(options.saturation, 1), factors(options.gamma, 1)
    return Colours(gains[:, None] * (saturation * np.eye(3) + (1.0 - saturation) * _LUMA), float(gamma[0]))


def recolour(image: UInt8[np.ndarray, "h w 3"], colours: Colours) -> UInt8[np.ndarray, "h w 3"]:
    """The picture in other colours; what becomes too bright is clipped, as by a camera."""
    rows = np.column_stack([colours.matrix, np.zeros(3)]).ravel().tolist()
    table = np.round(255.0 * np.linspace(0.0, 1.0, 256) ** colours.gamma).astype(int).tolist()
    return np.asarray(Image.fromarray(image).convert("RGB", tuple(rows)).point(3 * table))


def occlude(view: View, eyes: Float[np.ndarray, "2 3"], rng: np.random.Generator) -> View:
    """Something before the person, in a random colour and texture."""
    size, places = view.matte.shape, eyes + view.params.translation
    depth = float(view.camera.world_to_camera[2] @ np.append(places.mean(axis=0), 1.0))
    unit = float(view.camera.intrinsics[0, 0] * np.linalg.norm(eyes[0] - eyes[1]) / depth)
    pixels = np.stack([pixel_of(view.camera, place) for place in places])
    shape, cut_out = (hand, bar, glasses)[rng.integers(3)], rng.random() < 0.5
    share = cover(shape, size, pixels, unit, rng)
    image, matte = view.image * (1 - share[..., None]), view.matte * (1 - share)
    if shape is glasses or not cut_out:
        texture = 0.6 + 0.4 / 255 * spots(size, int(rng.integers(3, 32)), 1, rng).astype(np.float32)
        image += rng.integers(10, 246, 3).astype(np.float32) * texture * share[..., None]
        matte = np.maximum(view.matte, 255 * share)
    return view._replace(image=_bytes(image), matte=_bytes(matte))


def wrong_rim(view: View, rng: np.random.Generator) -> View:
    """The picture on other colours, cut out again by a matte that errs at the edge."""
    size = view.matte.shape
    blur = ImageFilter.BoxBlur(rng.uniform(1.0, max(1.0, RIM_RADIUS * size[0])))
    soft = np.asarray(Image.fromarray(view.matte).filter(blur))
    colours, waves = spots(size, int(rng.integers(2, 24)), 3, rng), spots(size, 6, 1, rng)[..., 0]
    middle, width = 255 * rng.uniform(0.35, 0.65), rng.uniform(0.3, 1.0)
    rim = np.nonzero((soft > 0) & (soft < 255))  # nothing changes inside of it, and all is black outside
    old = view.matte[rim].astype(np.float32) / 255
    # The edge moves to where the blurred matte passes a level; that wanders, and the blurred edge may be sharpened.
    level = middle + 0.4 * (waves[rim].astype(np.float32) - 128)
    new = np.clip((soft[rim] - level) / (2 * width * np.minimum(level, 255 - level)) + 0.5, 0, 1)
    image, matte = view.image * (soft > 0)[..., None], view.matte * (soft > 0)
    image[rim] = _bytes((view.image[rim] + (1 - old)[:, None] * colours[rim]) * new[:, None])
    matte[rim] = _bytes(255 * new)
    return view._replace(image=image, matte=matte)


def spots(size: tuple[int, int], count: int, channels: int, rng: np.random.Generator) -> UInt8[np.ndarray, "h w c"]:
    """A random picture of ``count`` smooth spots along each side."""
    grid = rng.integers(0, 256, (channels, count, count), np.uint8)
    layers = (Image.fromarray(layer).resize(size[::-1], Image.Resampling.BILINEAR) for layer in grid)
    return np.dstack([np.asarray(layer) for layer in layers])


def grainy(image: UInt8[np.ndarray, "h w 3"], sigma: float, rng: np.random.Generator) -> UInt8[np.ndarray, "h w 3"]:
    """The picture with grey noise of this standard deviation (of values in [0, 1])."""
    grain = (255 * np.float32(sigma) * rng.standard_normal(image.shape[:2], np.float32)).astype(np.int16)
    return np.clip(image + grain[..., None], 0, 255).astype(np.uint8)


def through_jpeg(image: UInt8[np.ndarray, "h w 3"], quality: int) -> UInt8[np.ndarray, "h w 3"]:
    """The picture as a JPEG file of this quality gives it back."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def _bytes(values: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    """0 to 255, rounded."""
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)
