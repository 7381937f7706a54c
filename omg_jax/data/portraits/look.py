"""What a synthetic person looks like: skin, hair, brows, eyes, garment and their colours, drawn at random."""

from typing import NamedTuple

import numpy as np

RACES = ("african", "asian", "caucasian")
AGES = ("young", "middleage", "old")
SEXES = ("female", "male")

# Linear RGB of hair, and how often each occurs on light-skinned heads.
HAIR_COLOURS = {
    "black": ((0.012, 0.010, 0.009), 0.18),
    "dark brown": ((0.040, 0.024, 0.015), 0.24),
    "brown": ((0.095, 0.052, 0.028), 0.20),
    "auburn": ((0.130, 0.042, 0.018), 0.08),
    "red": ((0.240, 0.075, 0.025), 0.05),
    "dark blond": ((0.210, 0.130, 0.066), 0.12),
    "blond": ((0.420, 0.290, 0.150), 0.10),
    "dyed": ((0.120, 0.040, 0.160), 0.03),
}
GREYS = ((0.16, 0.155, 0.15), (0.32, 0.315, 0.31), (0.55, 0.55, 0.54))
# Styles that hide an eye (bob01, bob02, braid01, short03) are kept rare: they hide what a tracker needs.
FEMALE_HAIR = {
    "long01": 3.0, "ponytail01": 3.0, "braid01": 0.8, "bob01": 0.5, "bob02": 0.6, "short01": 0.9, "short03": 0.35,
    "short02": 0.8, "short04": 1.0, "afro01": 0.4,
}  # fmt: skip
MALE_HAIR = {"short01": 2.2, "short02": 2.2, "short03": 0.35, "short04": 2.5, "afro01": 0.4, "ponytail01": 0.3, "": 1.2}
IRISES = {"brown": 4.0, "brownlight": 2.0, "blue": 1.0, "bluegreen": 0.7, "deepblue": 0.7, "lightblue": 0.8,
          "green": 0.9, "grey": 0.8, "ice": 0.4}  # fmt: skip


class Person(NamedTuple):
    """Who someone is, in MakeHuman's macro terms; race holds three shares of sum 1, female and old lie in [0, 1]."""

    race: tuple[float, float, float]
    female: float
    old: float

    @property
    def labels(self) -> tuple[str, str, str]:
        """(age, race, sex) of the skin that suits best."""
        age = AGES[int(np.searchsorted([0.3, 0.7], self.old))]
        return age, RACES[int(np.argmax(self.race))], SEXES[int(self.female < 0.5)]


class Look(NamedTuple):
    """Names of assets and their colours (linear). hair is "" for a bald head.

    garment_shift is hue (radians), saturation and gain; skin_gain multiplies the skin's texture.
    """

    skin: str
    skin_gain: tuple[float, float, float]
    hair: str
    hair_colour: tuple[float, float, float]
    brows: str
    lashes: str
    iris: str
    teeth: str
    garment: str
    garment_shift: tuple[float, float, float]


def sample_person(rng: np.random.Generator) -> Person:
    """A person: mostly of one race, with a share of others; sexes even; ages from young to old."""
    race = rng.dirichlet([0.35, 0.35, 0.35])
    female = float(np.clip(rng.choice([0.0, 1.0]) + rng.normal(0.0, 0.12), 0.0, 1.0))
    return Person(tuple(float(x) for x in race), female, float(rng.beta(0.9, 1.3)))


def sample_look(rng: np.random.Generator, person: Person, names: dict[str, tuple[str, ...]]) -> Look:
    """What the person wears.

    names lists the available assets: "skins" by "age_race_sex" with an optional number, and hair, eyebrows,
    eyelashes, irises, teeth, clothes.
    """
    age, race, sex = person.labels
    fitting = [name for name in names["skins"] if name.rstrip("0123456789") == f"{age}_{race}_{sex}"]
    skin = str(rng.choice(fitting or list(names["skins"])))
    dark = race == "african"
    # Dark skins vary as much as light ones do, but their textures are few and very saturated.
    brightness = np.exp(rng.normal(0.4 if dark else 0.0, 0.22 if dark else 0.10))
    tone = brightness * np.exp(rng.normal(0.0, 0.05, 3)) * ([0.82, 1.08, 1.28] if dark else [1.0, 1.0, 1.0])
    styles = {**(FEMALE_HAIR if sex == "female" else MALE_HAIR)}
    styles["afro01"] = styles["afro01"] * (8.0 if dark else 0.3)
    garments = [name for name in names["clothes"] if name.startswith(sex)] or list(names["clothes"])
    hair = _weighted(rng, {name: share for name, share in styles.items() if name in (*names["hair"], "")})
    colour = _hair_colour(rng, person)
    return Look(
        skin=skin,
        skin_gain=tuple(float(x) for x in tone),
        hair=hair,
        # The afro's texture is nearly black: painted light, it shows its blocks.
        hair_colour=tuple(min(x, 0.03) for x in colour) if hair == "afro01" else colour,
        brows=str(rng.choice(names["eyebrows"])),
        lashes=str(rng.choice(names["eyelashes"])),
        iris=_weighted(rng, _irises(person, names["irises"])),
        teeth=str(rng.choice(names["teeth"])),
        garment=str(rng.choice(garments)),
        garment_shift=(rng.uniform(0, 2 * np.pi), rng.choice([0.15, 0.6, 1.0]), float(np.exp(rng.normal(0.0, 0.5)))),
    )


def _hair_colour(rng: np.random.Generator, person: Person) -> tuple[float, float, float]:
    if rng.random() < 0.75 * max(person.old - 0.35, 0.0) / 0.65:
        colour = GREYS[rng.integers(len(GREYS))]
    else:
        shares = np.array([share for _, share in HAIR_COLOURS.values()])
        # Dark hair goes with dark skins and with Asian faces nearly always.
        shares[2:] *= person.race[2] ** 2
        colour = list(HAIR_COLOURS.values())[rng.choice(len(shares), p=shares / shares.sum())][0]
    return tuple(float(x) for x in np.array(colour) * np.exp(rng.normal(0.0, 0.2)))


def _irises(person: Person, available: tuple[str, ...]) -> dict[str, float]:
    """Light eyes with the Caucasian share of the face."""
    light = person.race[2] ** 2
    return {name: share * (1.0 if name == "brown" else light) for name, share in IRISES.items() if name in available}


def _weighted(rng: np.random.Generator, shares: dict[str, float]) -> str:
    weights = np.array(list(shares.values()))
    return str(rng.choice(list(shares), p=weights / weights.sum()))
