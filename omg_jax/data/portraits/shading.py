"""Light and materials of the portrait renderer: soft ambient light, a few wrapped Lambert lights, one broad highlight.

Colours are linear (see textures). Directions are in camera axes (x right, y down, z forward): the light stays where it
is while the head turns.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

TO_VIEWER = np.array([0.0, 0.0, -1.0], np.float32)


class Material(NamedTuple):
    """How a surface answers light.

    wrap is how far, per colour, light creeps beyond the terminator (0 is Lambert; skin lets red through). specular is
    the highlight's strength, 2 ** sharpness its Blinn-Phong exponent. gain multiplies the texture.
    """

    wrap: tuple[float, float, float]
    specular: float
    sharpness: int
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    two_sided: bool = False


MATERIALS = {
    "skin": Material(wrap=(0.42, 0.28, 0.22), specular=0.10, sharpness=4),
    "eyes": Material(wrap=(0.35, 0.32, 0.32), specular=1.6, sharpness=8, gain=(0.82, 0.80, 0.80)),
    "teeth": Material(wrap=(0.3, 0.3, 0.3), specular=0.25, sharpness=6, gain=(1.25, 1.15, 1.0)),
    "tongue": Material(wrap=(0.3, 0.25, 0.25), specular=0.15, sharpness=5, gain=(0.42, 0.32, 0.32)),
    "cloth": Material(wrap=(0.15, 0.15, 0.15), specular=0.02, sharpness=3, two_sided=True),
    "hair": Material(wrap=(0.5, 0.5, 0.5), specular=0.10, sharpness=5, two_sided=True),
    "brows": Material(wrap=(0.5, 0.5, 0.5), specular=0.0, sharpness=0, two_sided=True),
}


class Light(NamedTuple):
    """ambient is [constant; x; y; z] per colour, linear in the normal; directions are unit vectors to the lights."""

    ambient: Float[np.ndarray, "4 3"]
    directions: Float[np.ndarray, "k 3"]
    colours: Float[np.ndarray, "k 3"]


def sample_light(rng: np.random.Generator) -> Light:
    """A key light from the front half, often a fill or a light from behind, and ambient light that comes from above."""
    warmth = rng.normal(0.0, 0.10)
    key_share = rng.uniform(0.35, 0.75)
    directions = [_direction(rng.uniform(-75, 75), rng.uniform(-10, 55))]
    colours = [key_share * _tinted(warmth)]
    if rng.random() < 0.6:
        directions.append(_direction(float(-np.sign(directions[0][0])) * rng.uniform(20, 80), rng.uniform(-15, 30)))
        colours.append(rng.uniform(0.05, 0.3) * _tinted(rng.normal(0.0, 0.15)))
    if rng.random() < 0.35:
        directions.append(_direction(float(rng.choice([-1, 1])) * rng.uniform(110, 160), rng.uniform(0, 50)))
        colours.append(rng.uniform(0.2, 0.8) * _tinted(rng.normal(0.0, 0.2)))
    constant = (0.95 - 0.65 * key_share) * _tinted(-0.6 * warmth + rng.normal(0.0, 0.05))
    gradient = np.outer([rng.normal(0.0, 0.12), -rng.uniform(0.08, 0.3), -rng.uniform(0.0, 0.2)], constant)
    exposure = np.exp(rng.normal(-0.1, 0.16))
    ambient = np.concatenate([constant[None], gradient])
    return Light(*(np.asarray(x, np.float32) for x in (exposure * ambient, directions, exposure * np.stack(colours))))


def shade(
    light: Light,
    material: Material,
    albedo: Float[np.ndarray, "n 4"],
    normals: Float[np.ndarray, "n 3"],
    openness: Float[np.ndarray, "n"],
    shadow: Float[np.ndarray, "n k"],
) -> Float[np.ndarray, "n 4"]:
    """Premultiplied colour of fragments.

    normals are unit vectors in camera axes; openness in [0, 1] is the share of the sky that the point sees; shadow in
    [0, 1] is the share of each light that reaches it. Two-sided surfaces turn their normal to the viewer.
    """
    if material.two_sided:
        normals = np.where(normals[:, 2:] > 0.0, -normals, normals)
    irradiance = (light.ambient[0] + normals @ light.ambient[1:]) * openness[:, None]
    wrap = np.asarray(material.wrap, np.float32)
    highlight = np.zeros_like(irradiance)
    for index, (direction, colour) in enumerate(zip(light.directions, light.colours, strict=True)):
        arriving = shadow[:, index : index + 1] * colour
        lit = (normals @ direction)[:, None] + wrap
        np.maximum(lit, 0.0, out=lit)
        irradiance += lit * arriving / (1.0 + wrap)
        if material.specular > 0.0:
            half = direction + TO_VIEWER
            strength = np.maximum(normals @ (half / (np.linalg.norm(half) + 1e-6)), 0.0)
            for _ in range(material.sharpness):
                strength *= strength
            highlight += (material.specular * strength)[:, None] * arriving
    irradiance *= np.asarray(material.gain, np.float32)
    highlight *= albedo[:, 3:]
    shaded = np.empty_like(albedo)
    shaded[:, :3] = albedo[:, :3] * irradiance + highlight
    shaded[:, 3] = albedo[:, 3]
    return shaded


def _direction(azimuth: float, elevation: float) -> Float[np.ndarray, "3"]:
    """Unit vector to a light, degrees; azimuth 0 is at the camera, 90 to the image's right; elevation is upwards."""
    azimuth, elevation = np.deg2rad([azimuth, elevation])
    return np.array(
        [np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)], np.float32
    )


def _tinted(warmth: float) -> Float[np.ndarray, "3"]:
    """White light made warmer (> 0) or colder."""
    return np.array([1.0 + warmth, 1.0, 1.0 - warmth])
