"""What a synthetic person looks like: skin, hair, brows, eyes, garment and their colours, drawn at random."""

from typing import NamedTuple

import numpy as np

from omg_jax.data.portraits.garments import GarmentLook, sample_garment
from omg_jax.data.portraits.skin import SkinLook

RACES = ("african", "asian", "caucasian")
AGES = ("young", "middleage", "old")
SEXES = ("female", "male")

# Linear RGB of hair, and how often each occurs on light-skinned heads.
HAIR_COLOURS = {
    "black": ((0.010, 0.009, 0.008), 0.16),
    "dark brown": ((0.030, 0.019, 0.013), 0.24),
    "brown": ((0.075, 0.045, 0.027), 0.21),
    "auburn": ((0.100, 0.038, 0.019), 0.07),
    "red": ((0.210, 0.080, 0.032), 0.04),
    "dark blond": ((0.175, 0.118, 0.066), 0.13),
    "blond": ((0.360, 0.265, 0.155), 0.10),
    "dyed": ((0.110, 0.030, 0.075), 0.02),
}
GREYS = ((0.13, 0.127, 0.122), (0.26, 0.256, 0.25), (0.46, 0.455, 0.445))
# Styles that hide an eye (bob01, bob02, braid01, short03) are kept rare: they hide what a tracker needs.
FEMALE_HAIR = {
    "long01": 3.4, "ponytail01": 2.6, "braid01": 0.9, "bob01": 0.5, "bob02": 0.9, "short01": 0.5, "short03": 0.3,
    "short02": 0.3, "short04": 0.4, "afro01": 0.4,
}  # fmt: skip
MALE_HAIR = {"short01": 2.0, "short02": 2.2, "short03": 0.35, "short04": 2.4, "afro01": 0.4, "ponytail01": 0.3, "": 2.2}
# Linear RGB of irises, and how often each occurs in light-skinned faces.
IRISES = (
    ((0.022, 0.012, 0.007), 0.9), ((0.055, 0.027, 0.013), 1.6), ((0.110, 0.062, 0.028), 1.3),
    ((0.150, 0.115, 0.050), 0.9), ((0.120, 0.150, 0.085), 0.7), ((0.115, 0.170, 0.230), 1.3),
    ((0.190, 0.260, 0.320), 1.0), ((0.170, 0.190, 0.200), 0.8),
)  # fmt: skip
LIPSTICKS = np.array([
    (0.30, 0.04, 0.05), (0.42, 0.12, 0.12), (0.24, 0.05, 0.08), (0.38, 0.16, 0.13), (0.16, 0.03, 0.04),
])  # fmt: skip
EYESHADOWS = np.array([
    (0.10, 0.06, 0.05), (0.22, 0.13, 0.10), (0.08, 0.08, 0.11), (0.16, 0.08, 0.12), (0.05, 0.05, 0.05),
])  # fmt: skip
# Melanin of typical skins by race (absorbances); people vary about it by a factor.
MELANIN = {"african": 1.25, "asian": 0.40, "caucasian": 0.27}


class Person(NamedTuple):
    """Who someone is, in MakeHuman's macro terms; race holds three shares of sum 1, the others lie in [0, 1].

    weight is 0.5 for an average build.
    """

    race: tuple[float, float, float]
    female: float
    old: float
    weight: float

    @property
    def labels(self) -> tuple[str, str, str]:
        """(age, race, sex) of the skin that suits best."""
        age = AGES[int(np.searchsorted([0.28, 0.65], self.old))]
        return age, RACES[int(np.argmax(self.race))], SEXES[int(self.female < 0.5)]


class HairLook(NamedTuple):
    """style is "" for none; colour is linear. strands is the variation between single
    hairs, volume scales about the head, length what hangs below the mouth."""

    style: str
    colour: tuple[float, float, float]
    contrast: float
    strands: float
    mirrored: bool
    volume: float
    length: float


class Look(NamedTuple):
    """Names of assets and how they are painted. Densities of brows and lashes are powers of their clear part."""

    skin: SkinLook
    hair: HairLook
    brows: str
    brow_density: float
    brow_colour: tuple[float, float, float]
    lashes: str
    lash_density: float
    iris: tuple[float, float, float]
    sclera: float
    teeth: str
    teeth_tint: tuple[float, float, float]
    garment: GarmentLook


def sample_person(rng: np.random.Generator) -> Person:
    """A person: mostly of one race, with a share of others; sexes even; ages from young to old."""
    race = rng.dirichlet([0.4, 0.4, 0.4])
    female = float(np.clip(rng.choice([0.0, 1.0]) + rng.normal(0.0, 0.10), 0.0, 1.0))
    weight = float(np.clip(rng.normal(0.5, 0.22), 0.0, 1.0))
    return Person(tuple(float(x) for x in race), female, float(rng.beta(0.8, 1.4)), weight)


def sample_look(rng: np.random.Generator, person: Person, names: dict[str, tuple[str, ...]]) -> Look:
    """What the person looks like and wears.

    names lists the available assets: "skins" by "age_race_sex" with an optional number, and hair, eyebrows,
    eyelashes, teeth, clothes.
    """
    _, race, sex = person.labels
    colour = _hair_colour(rng, person)
    hair = _sample_hair(rng, person, names["hair"], colour)
    woman = sex == "female"
    made_up = woman and rng.random() < 0.65 - 0.25 * person.old
    brow_colour = np.minimum(0.45 * np.array(colour), 0.055)
    return Look(
        skin=_sample_skin(rng, person, names["skins"], hair, made_up),
        hair=hair,
        brows=str(rng.choice(names["eyebrows"])),
        brow_density=float(rng.uniform(1.4, 2.5) * (0.85 if woman else 1.15)),
        brow_colour=tuple(float(x) for x in brow_colour),
        lashes=str(rng.choice(names["eyelashes"])),
        lash_density=float(rng.uniform(0.55, 1.1) if made_up else rng.uniform(0.3, 0.6)),
        iris=_iris(rng, person),
        sclera=float(rng.uniform(0.80, 1.0) - 0.10 * person.old),
        teeth=str(rng.choice(names["teeth"])),
        teeth_tint=(0.92, float(rng.uniform(0.82, 0.87)), float(rng.uniform(0.68, 0.80))),
        garment=sample_garment(rng, names["clothes"], sex),
    )


def _sample_skin(
    rng: np.random.Generator, person: Person, skins: tuple[str, ...], hair: HairLook, made_up: bool
) -> SkinLook:
    age, race, sex = person.labels
    fitting = [name for name in skins if name.rstrip("0123456789") == f"{age}_{race}_{sex}"] or list(skins)
    # The second texture: the same age and sex, any race. Painted scalps are alike enough.
    others = [name for name in skins if name.startswith(age) and name.rstrip("0123456789").endswith(f"_{sex}")]
    log_melanin = sum(share * np.log(MELANIN[name]) for share, name in zip(person.race, RACES, strict=True))
    melanin = float(np.clip(np.exp(log_melanin + rng.normal(0.0, 0.33)), 0.15, 2.3))
    light = float(np.clip(1.0 - melanin / 0.7, 0.0, 1.0))
    man = sex == "male"
    beard, density = _beard(rng, person) if man else ("", 0.0)
    scalp = float(rng.uniform(0.25, 0.85)) if hair.style == "" else 0.0
    depth = np.exp(-0.45 * melanin)
    return SkinLook(
        textures=(str(rng.choice(fitting)), str(rng.choice(others or fitting))),
        mix=float(rng.choice([0.0, rng.uniform(0.2, 0.6)])),
        melanin=melanin,
        blood=float(np.clip(rng.normal(0.34 + 0.05 * light, 0.06), 0.20, 0.55)),
        blotches=float(rng.uniform(0.2, 1.0)),
        freckles=float(rng.uniform(0.3, 1.0) * light) if rng.random() < 0.25 else 0.0,
        moles=int(rng.poisson(1.6)),
        under_eyes=float(rng.uniform(0.0, 1.0) * (0.6 + 0.6 * person.old)),
        oil=float(rng.uniform(0.0, 1.0)),
        beard=beard,
        beard_density=density,
        scalp=scalp,
        hair_colour=_stubble_colour(hair.colour, density or scalp),
        lip_redness=float(rng.uniform(0.05, 0.35)),
        lipstick=float(rng.uniform(0.25, 0.85)) if made_up and rng.random() < 0.75 else 0.0,
        lipstick_colour=tuple(float(x) for x in depth * LIPSTICKS[rng.integers(len(LIPSTICKS))]),
        eyeshadow=float(rng.uniform(0.15, 0.6)) if made_up and rng.random() < 0.6 else 0.0,
        eyeshadow_colour=tuple(float(x) for x in depth * EYESHADOWS[rng.integers(len(EYESHADOWS))]),
        blush=float(rng.uniform(0.05, 0.45)) if made_up else 0.0,
    )


def _stubble_colour(colour: tuple[float, float, float], density: float) -> tuple[float, float, float]:
    """Hair in the skin looks bluish grey and dark while it is short, and takes on its own colour as it grows."""
    shadow, grown = np.array([0.035, 0.033, 0.034]), np.minimum(0.8 * np.array(colour), 0.25)
    share = np.clip(density - 0.1, 0.0, 0.6) / 0.6
    return tuple(float(x) for x in shadow + share * (grown - shadow))


def _beard(rng: np.random.Generator, person: Person) -> tuple[str, float]:
    """Style and density of a man's beard: mostly a shadow, sometimes full."""
    if rng.random() < 0.25:
        return "", 0.0
    if rng.random() < 0.55:
        return "beard", float(rng.uniform(0.06, 0.40))
    style = str(rng.choice(["beard", "circle", "goatee", "moustache"], p=[0.55, 0.25, 0.1, 0.1]))
    return style, float(rng.uniform(0.55, 1.0))


def _sample_hair(
    rng: np.random.Generator, person: Person, available: tuple[str, ...], colour: tuple[float, float, float]
) -> HairLook:
    _, race, sex = person.labels
    styles = {**(FEMALE_HAIR if sex == "female" else MALE_HAIR)}
    styles["afro01"] = styles["afro01"] * (8.0 if race == "african" else 0.02)
    if race == "african":
        for name in {"short02", "short03", "bob02"} & styles.keys():
            styles[name] *= 0.35
        styles[""] = styles.get("", 0.25) * 1.5
    if sex == "male":
        styles[""] = styles[""] * (0.6 + 1.2 * person.old)
    style = _weighted(rng, {name: share for name, share in styles.items() if name in (*available, "")})
    if style == "afro01":
        # The afro's texture is nearly black: painted light, it shows its blocks.
        colour = tuple(min(x, 0.03) for x in colour)
    return HairLook(
        style=style,
        colour=colour,
        contrast=0.45 if style == "afro01" else float(rng.uniform(0.75, 1.15)),
        strands=0.05 if style == "afro01" else float(rng.uniform(0.15, 0.5)),
        mirrored=bool(rng.random() < 0.5),
        volume=float(np.exp(rng.normal(0.02, 0.035))),
        length=float(rng.uniform(0.35, 1.0)),
    )


def _hair_colour(rng: np.random.Generator, person: Person) -> tuple[float, float, float]:
    shares = np.array([share for _, share in HAIR_COLOURS.values()])
    # Dark hair goes with dark skins and with Asian faces nearly always.
    shares[2:] *= person.race[2]
    colour = np.array(list(HAIR_COLOURS.values())[rng.choice(len(shares), p=shares / shares.sum())][0])
    grey = np.array(GREYS[rng.integers(len(GREYS))])
    greying = np.clip(rng.normal(1.5 * (person.old - 0.35), 0.25), 0.0, 1.0) if person.old > 0.3 else 0.0
    mixed = colour ** (1.0 - greying) * grey**greying
    return tuple(float(x) for x in mixed * np.exp(rng.normal(0.0, 0.3)))


def _iris(rng: np.random.Generator, person: Person) -> tuple[float, float, float]:
    """Light eyes with the Caucasian share of the face."""
    shares = np.array([share for _, share in IRISES])
    shares[2:] *= person.race[2] ** 2
    colour = np.array(IRISES[rng.choice(len(shares), p=shares / shares.sum())][0])
    return tuple(float(x) for x in colour * np.exp(rng.normal(0.0, 0.12, 3)))


def _weighted(rng: np.random.Generator, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))
