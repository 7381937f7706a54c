"""The ARKit head's identities and expressions on MakeHuman's whole body, so that hair, garment and mouth follow them.

The head's sliders and units are combinations of MakeHuman's targets, which move all rows of the base mesh. Here they
are rebuilt for all rows by the names that the head gives, and held against the head's own arrays.
"""

from importlib import resources
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from omg_jax.data.makehuman import Makehuman
from omg_jax.data.portraits.look import RACES, SEXES, Person
from omg_jax.head.load import ARKIT_ASSET, Head

# World units (5 x metre) per decimetre.
SCALE = 0.5
# The head's arrays may differ from the pack's targets by this much (world units) through rounding.
AGREEMENT = 2e-3
BUILD = "averagemuscle-averageweight"
# The lowest point of the chin among the rows of the base mesh.
CHIN_ROW = 5296
EYE_HELPERS = slice(14598, 14742)
# MakeHuman's opposite targets: a slider is half of the first minus half of the second.
OPPOSITES = {"incr": "decr", "up": "down", "out": "in", "forward": "backward", "convex": "concave",
             "uncompress": "compress"}  # fmt: skip
SLIDER_FOLDERS = ("head", "forehead", "nose", "mouth", "chin", "eyes", "eyebrows", "cheek")
# Standard deviation of a detail slider, and the largest one.
DETAIL_SPREAD, DETAIL_LIMIT = 0.24, 0.75
# fmt: off
# Traits that come together: slider by slider, what a standard deviation of the trait adds.
TRAITS = {
    "long face": {"head-scale-vert-incr": 0.16, "chin-height-incr": 0.16, "head-scale-horiz-incr": -0.13},
    "strong jaw": {"chin-width-incr": 0.16, "chin-bones-incr": 0.16, "chin-prognathism-incr": 0.08},
    "large nose": {"nose-scale-depth-incr": 0.13, "nose-scale-vert-incr": 0.13, "nose-volume-incr": 0.13},
    "full lips": {
        "mouth-lowerlip-height-incr": 0.13, "mouth-scale-vert-incr": 0.13, "mouth-lowerlip-volume-incr": 0.16,
    },
    "large eyes": {"eye-scale-incr": 0.13, "eye-height2-incr": 0.13, "eye-height1-incr": 0.08},
}
# fmt: on
# Sliders too strong at the common spread, by eye.
CALM = {"forehead-nubian-incr": 0.4, "head-trans-forward": 0.3, "head-trans-up": 0.3, "head-angle-out": 0.5,
        "eye-height1-incr": 0.6, "eye-height3-incr": 0.6, "eye-push2-out": 0.6, "mouth-scale-depth-incr": 0.6,
        "eye-trans-out": 0.7, "mouth-trans-forward": 0.6}  # fmt: skip
# What no slider makes: asymmetry and ears, a few targets of each folder up to this weight.
LOOSE_TARGETS = {"asym": (8, 0.25), "ears": (6, 0.5)}


class BodyBasis(NamedTuple):
    """Identities and expressions of all rows of the base mesh, in the head's frame and world units.

    joint_template and joint_shape give the head model's joints. Vertex head_rows[i] of the head is skin, the blend of
    rows skin_rows[i] of the base mesh by skin_weights[i]; skull_rows are the base mesh's rows above the chin, lip_rows
    those of the lips.
    """

    scale: float
    average: Float[np.ndarray, "b 3"]
    sliders: Float[np.ndarray, "s b 3"]
    units: Float[np.ndarray, "e b 3"]
    joint_template: Float[np.ndarray, "5 3"]
    joint_shape: Float[np.ndarray, "5 3 s"]
    head_rows: Int[np.ndarray, "k"]
    skin_rows: Int[np.ndarray, "k 3"]
    skin_weights: Float[np.ndarray, "k 3"]
    skull_rows: Int[np.ndarray, "r"]
    lip_rows: Int[np.ndarray, "l"]

    def identity(self, shape: Float[np.ndarray, "s"]) -> Float[np.ndarray, "b 3"]:
        """The base mesh of a person without expression."""
        return self.average + np.tensordot(shape, self.sliders, axes=1)


def body_basis(makehuman: Makehuman, head: Head) -> BodyBasis:
    """Rebuilds the head's bases for the whole body.

    ValueError where the pack's targets do not give the head's arrays: another release of either.
    """
    head_rows, base_rows, weights = _skin_sources(head)
    template, shape_basis = np.asarray(head.model.template), np.asarray(head.model.shape_basis)

    def aligned(offsets: np.ndarray, on_head: np.ndarray, what: str) -> np.ndarray:
        """World units, shifted as a whole to where the head has it."""
        scaled = SCALE * offsets
        difference = on_head[head_rows] - np.einsum("kj,kjc->kc", weights, scaled[base_rows])
        shift = difference.mean(axis=0)
        error = np.abs(difference - shift).max()
        if error > AGREEMENT:
            raise ValueError(
                f"the asset pack does not match the head: its {what} differs by {error:.4f} world units; use the "
                "MakeHuman assets that the head was made from"
            )
        return (scaled + shift).astype(np.float32)

    average = makehuman.base.vertices + makehuman.offsets(macro_targets())
    targets = slider_targets(makehuman)
    sliders = np.stack(
        [
            aligned(makehuman.offsets(targets[name]), shape_basis[..., index], f"slider {name}")
            for index, name in enumerate(head.shape_names)
        ]
    )
    units = SCALE * np.stack([makehuman.offsets({f"faceunits/{name}": 1.0}) for name in head.expression_names])
    units[:, EYE_HELPERS] = 0.0
    chin = template[head_rows[base_rows[:, 0] == CHIN_ROW][0], 1]
    regressor = np.asarray(head.model.joint_regressor)
    skull = np.isin(head_rows, head.regions["neck"], invert=True) & (template[head_rows, 1] > chin)
    return BodyBasis(
        scale=SCALE,
        average=aligned(average, template, "average person"),
        sliders=sliders,
        units=units.astype(np.float32),
        joint_template=regressor @ template,
        joint_shape=np.einsum("jv,vcs->jcs", regressor, shape_basis),
        head_rows=head_rows,
        skin_rows=base_rows,
        skin_weights=weights,
        skull_rows=np.unique(base_rows[skull, 0]),
        lip_rows=np.unique(base_rows[np.isin(head_rows, head.regions["lips"]), 0]),
    )


def slider_targets(makehuman: Makehuman) -> dict[str, dict[str, float]]:
    """Target weights of every identity slider by its name: four macro directions, and pairs of opposite targets.

    A slider is half the difference of its ends; left and right are tied.
    """
    sliders = {
        "macro-male-female": _difference(macro_targets(sexes=("male",)), macro_targets(sexes=("female",))),
        "macro-old-young": _difference(macro_targets(age="old"), macro_targets(age="young")),
        "macro-african-caucasian": _difference(macro_targets(races=("african",)), macro_targets(races=("caucasian",))),
        "macro-asian-caucasian": _difference(macro_targets(races=("asian",)), macro_targets(races=("caucasian",))),
    }
    for folder in SLIDER_FOLDERS:
        names = {name.removeprefix(f"{folder}/") for name in makehuman.target_names(folder)}
        for name in names:
            stem, _, end = name.rpartition("-")
            opposite = f"{stem}-{OPPOSITES.get(end)}"
            if opposite not in names or stem.startswith("r-"):
                continue
            bare = stem.removeprefix("l-")
            prefixes = ("l-", "r-") if stem != bare else ("",)
            key = f"{bare}-{end}" if bare.startswith(folder.rstrip("s")) else f"{folder}-{bare}-{end}"
            plus = {f"{folder}/{prefix}{bare}-{end}": 1.0 for prefix in prefixes}
            minus = {f"{folder}/{prefix}{bare}-{OPPOSITES[end]}": 1.0 for prefix in prefixes}
            sliders[key] = _difference(plus, minus)
    return sliders


def shape_of(rng: np.random.Generator, person: Person, names: tuple[str, ...]) -> Float[np.ndarray, "s"]:
    """Slider values of a person: the macro directions exactly, build and age in what they do to a face, traits."""
    african, asian, _ = person.race
    macros = {
        "macro-male-female": 1.0 - 2.0 * person.female,
        "macro-old-young": 2.0 * person.old,
        "macro-african-caucasian": 2.0 * (african - 1.0 / 3.0),
        "macro-asian-caucasian": 2.0 * (asian - 1.0 / 3.0),
    }
    heavy = 2.0 * person.weight - 1.0
    means = {
        "head-fat-incr": 0.55 * heavy,
        "cheek-volume-incr": 0.25 * heavy,
        "head-age-incr": 0.7 * person.old - 0.2,
        "eye-bag-out": 0.4 * person.old - 0.1,
        "eye-epicanthus-out": -0.3 * asian,
        "nose-flaring-incr": 0.3 * african,
        "eye-scale-incr": 0.15,
    }
    for trait in TRAITS.values():
        strength = rng.standard_normal()
        for name, share in trait.items():
            means[name] = means.get(name, 0.0) + strength * share
    details = DETAIL_SPREAD * rng.standard_normal(len(names))
    values = [
        macros[name] if name in macros
        else np.clip(means.get(name, 0.0) + CALM.get(name, 1.0) * detail, -DETAIL_LIMIT, DETAIL_LIMIT)
        for name, detail in zip(names, details, strict=True)
    ]  # fmt: skip
    return np.array(values, np.float32)


def loose_details(rng: np.random.Generator, makehuman: Makehuman) -> Float[np.ndarray, "b 3"]:
    """What makes a face uneven and its own, beyond the head's sliders; world units.

    In the mean half a millimetre of the face, and three of the ears.
    """
    weights = {}
    for folder, (count, most) in LOOSE_TARGETS.items():
        names = makehuman.target_names(folder)
        for name in rng.choice(names, size=min(count, len(names)), replace=False):
            weights[str(name)] = float(rng.uniform(0.0, most))
    return (SCALE * makehuman.offsets(weights)).astype(np.float32)


def macro_targets(
    races: tuple[str, ...] = RACES, sexes: tuple[str, ...] = SEXES, age: str = "young"
) -> dict[str, float]:
    """Target weights of an even mix of races and sexes at one age, of average build."""
    weights = {f"macrodetails/universal-{sex}-{age}-{BUILD}": 1.0 / len(sexes) for sex in sexes}
    share = 1.0 / (len(races) * len(sexes))
    return weights | {f"macrodetails/{race}-{sex}-{age}": share for race in races for sex in sexes}


def _difference(plus: dict[str, float], minus: dict[str, float]) -> dict[str, float]:
    """Half of one mix of targets minus half of another."""
    names = plus.keys() | minus.keys()
    return {name: 0.5 * (plus.get(name, 0.0) - minus.get(name, 0.0)) for name in names}


def _skin_sources(head: Head) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k 3"], Float[np.ndarray, "k 3"]]:
    """Skin vertices of the head, and the rows of the base mesh, with weights, that each is a blend of."""
    with resources.as_file(resources.files("omg_jax").joinpath("assets", ARKIT_ASSET)) as path, np.load(path) as data:
        rows = np.intersect1d(head.regions["skin"], np.flatnonzero(data["source_part"] == 0))
        return rows, data["source_vertex_ids"][rows].astype(np.int32), data["source_weights"][rows]
