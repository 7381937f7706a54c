"""Light of synthetic portraits, drawn at random: an environment of sky, ground and soft boxes, and three lights."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from omg_jax.data.portraits.occlusion import sky_directions
from omg_jax.data.portraits.shading import NUM_LIGHTS, Light, harmonics

# Cosine convolution of the harmonics of order 0, 1, 2, over pi, and the squared norms of the unnormalised basis.
COSINE = np.array([1.0] + [2.0 / 3.0] * 3 + [0.25] * 5)
NORMS = 4.0 * np.pi * np.array([1.0, 1 / 3, 1 / 3, 1 / 3, 1 / 15, 1 / 15, 1 / 15, 4 / 15, 4 / 5])


def sample_light(rng: np.random.Generator) -> Light:
    """Window, studio, street or evening light: a key from the front half, often a fill, sometimes one from behind."""
    warmth = rng.normal(0.0, 0.09)
    contrast = rng.beta(1.6, 2.0)
    side = float(rng.choice([-1, 1]))
    key = 0.35 + 0.75 * contrast
    azimuth = side * abs(rng.normal(20.0 + 25.0 * contrast, 18.0))
    directions = [direction(azimuth, rng.uniform(10, 50))]
    colours = [key * warm(warmth)]
    if rng.random() < 0.6:
        directions.append(direction(-side * rng.uniform(20, 75), rng.uniform(-5, 35)))
        colours.append(rng.uniform(0.08, 0.35) * warm(rng.normal(-warmth, 0.10)))
    if rng.random() < 0.4:
        directions.append(direction(float(rng.choice([-1, 1])) * rng.uniform(115, 160), rng.uniform(10, 50)))
        colours.append(rng.uniform(0.2, 0.9) * warm(rng.normal(0.0, 0.14)))
    ambient = (0.85 - 0.55 * contrast) * np.exp(rng.normal(0.0, 0.1))
    irradiance = ambient * sample_environment(rng, -0.7 * warmth)
    exposure = np.exp(rng.normal(-0.08, 0.11)) / np.sqrt(key * 0.62 + ambient * 0.9)
    missing = NUM_LIGHTS - len(directions)
    return Light(
        (exposure * irradiance).astype(np.float32),
        np.array(directions + [direction(0.0, 90.0)] * missing, np.float32),
        (exposure * np.array(colours + [np.zeros(3)] * missing)).astype(np.float32),
    )


def sample_environment(rng: np.random.Generator, warmth: float) -> Float[np.ndarray, "9 3"]:
    """Irradiance (over pi, so that a white surface shows it) of a random room or sky of mean radiance near one."""
    towards = sky_directions(400)
    up = -towards[:, 1]
    sky, ground = warm(warmth + rng.normal(0.0, 0.05)), warm(rng.uniform(0.0, 0.2)) * rng.uniform(0.25, 0.7)
    share = (0.5 + 0.5 * np.tanh(2.0 * up))[:, None]
    radiance = share * sky + (1.0 - share) * ground
    for _ in range(rng.integers(1, 5)):
        box = direction(rng.uniform(-150, 150), rng.uniform(-10, 70))
        width = rng.uniform(4.0, 14.0)
        radiance += rng.uniform(0.3, 2.0) * np.exp(width * (towards @ box - 1.0))[:, None] * warm(rng.normal(0, 0.10))
    return environment_irradiance(towards, radiance / radiance.mean())


def environment_irradiance(
    directions: Float[np.ndarray, "d 3"], radiance: Float[np.ndarray, "d 3"]
) -> Float[np.ndarray, "9 3"]:
    """Spherical harmonics of the irradiance, over pi, of radiance given in evenly spread directions."""
    basis = np.stack([np.asarray(x) for x in harmonics(*jnp.asarray(directions).T)])
    projected = 4.0 * np.pi / len(directions) * basis @ radiance / NORMS[:, None]
    return COSINE[:, None] * projected


def direction(azimuth: float, elevation: float) -> Float[np.ndarray, "3"]:
    """Unit vector to a light, degrees; azimuth 0 is at the camera, 90 to the image's right; elevation is upwards."""
    azimuth, elevation = np.deg2rad([azimuth, elevation])
    return np.array(
        [np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), -np.cos(azimuth) * np.cos(elevation)], np.float32
    )


def warm(warmth: float) -> Float[np.ndarray, "3"]:
    """White light made warmer (> 0) or colder, as along the colours of glowing bodies."""
    return np.array([1.0 + warmth, 1.0, 1.0 - 1.3 * warmth])
