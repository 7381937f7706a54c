"""Light and materials of the portrait renderer: one compiled function that colours fragments of any material.

Environment light as second-order spherical harmonics times occlusion, three lights with soft shadows, diffuse light
that creeps round skin (farther in red), two highlight lobes with Fresnel's rise, strands after Kajiya and Kay, a wet
cornea.
Colours are linear. Directions are in camera axes (x right, y down, z forward).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt32

from omg_jax.data.portraits.textures import GAMMA

NUM_LIGHTS = 3
NUM_PARTS = 8  # at most; tables of one size need one compilation
# Columns of Frame.rows.
CORNER, SLOPES, INVERSE_Z, NORMALS, STRANDS = 0, 2, 6, 9, 18
OPENNESS, SHADOWS, TEXELS, PART, HANDEDNESS = 27, 30, 39, 45, 46


class Material(NamedTuple):
    """How a surface answers light.

    wrap is how far, per colour, light creeps beyond the terminator (0 is Lambert). facing is the share of light
    reflected head-on; sharp and broad are exponents of two highlight lobes, sharp_share the first one's part. bump
    scales the relief. hair and eye switch on the lobes of strands and of a wet sphere.
    two_sided surfaces turn their normal to the viewer. sheen is the light that fibres scatter at grazing angles.
    least_open is an openness below which no point falls.
    """

    wrap: tuple[float, float, float]
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    facing: float = 0.03
    sharp: float = 60.0
    broad: float = 12.0
    sharp_share: float = 0.3
    bump: float = 0.0
    hair: float = 0.0
    eye: float = 0.0
    two_sided: float = 0.0
    sheen: float = 0.0
    least_open: float = 0.0


HAIR_COLUMN = 4 + Material._fields.index("hair")  # wrap and gain take three columns each

MATERIALS = {
    "skin": Material((0.40, 0.22, 0.16), facing=0.028, sharp=55.0, broad=10.0, sharp_share=0.35, bump=1.0),
    "eyes": Material(
        (0.30, 0.26, 0.26), facing=0.03, sharp=700.0, broad=60.0, sharp_share=0.9, eye=1.0, least_open=0.3
    ),
    "teeth": Material((0.3, 0.3, 0.3), (0.90, 0.86, 0.80), facing=0.04, sharp=90.0, broad=25.0, least_open=0.3),
    "tongue": Material((0.3, 0.2, 0.2), (0.50, 0.36, 0.36), facing=0.04, sharp=60.0, broad=20.0),
    "cloth": Material((0.12, 0.12, 0.12), facing=0.012, sharp=14.0, broad=5.0, bump=1.0, two_sided=1.0, sheen=0.25),
    "hair": Material((0.35, 0.35, 0.35), facing=0.0, hair=1.0, two_sided=1.0),
    "brows": Material((0.5, 0.5, 0.5), facing=0.0, two_sided=1.0, least_open=0.5),
}


class Light(NamedTuple):
    """irradiance holds second-order spherical harmonics per colour, for the basis of `harmonics`.

    directions are unit vectors to the lights; a light that is missing has no colour.
    """

    irradiance: Float[np.ndarray, "9 3"]
    directions: Float[np.ndarray, "3 3"]
    colours: Float[np.ndarray, "3 3"]


class Frame(NamedTuple):
    """All that fragments of one picture look up: per face (see the columns above), textures, materials, light.

    Faces from num_solid on are layers: hair among them fades where it is seen edge-on.
    """

    rows: Float[Array, "f 47"]
    colour: UInt32[Array, "n"]
    relief: UInt32[Array, "r"]
    layout: Int[Array, "p 5"]
    materials: Float[Array, "p m"]
    light: Light
    num_solid: int


def harmonics(x, y, z):
    """Real spherical harmonics up to order two, without their constants."""
    return [jnp.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, 3.0 * z * z - 1.0]


def material_table(names: list[str]) -> Float[np.ndarray, "p m"]:
    """Materials as rows of numbers, in the order of their fields; filled up to NUM_PARTS."""
    rows = [np.concatenate([np.atleast_1d(field) for field in MATERIALS[name]]) for name in names]
    return np.array(rows + [rows[0]] * (NUM_PARTS - len(rows)), np.float32)


@jax.jit
def face_rows(
    points: Float[Array, "v 3"],
    attributes: Float[Array, "v 10"],
    faces: Int[Array, "f 3"],
    texels: Float[Array, "f 6"],
    parts: Float[Array, "f"],
) -> Float[Array, "f 47"]:
    """One row per face, see the columns above. points are (x, y) in pixels and camera depth.

    attributes are normal, strand (the direction in which v falls along the surface), openness, three shadows; texels
    are the corners' (x, y) in their part's texture.
    """
    a, b, c = (points[faces[:, i]] for i in range(3))
    edge_1, edge_2 = b[:, :2] - a[:, :2], c[:, :2] - a[:, :2]
    area = edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]
    area = jnp.where(jnp.abs(area) < 1e-9, 1e-9, area)
    # l1 / z1 and l2 / z2 are linear in the pixel, relative to corner 0.
    slopes = jnp.stack([edge_2[:, 1], -edge_2[:, 0], -edge_1[:, 1], edge_1[:, 0]], axis=1) / area[:, None]
    inverse_z = 1.0 / jnp.maximum(jnp.stack([a[:, 2], b[:, 2], c[:, 2]], axis=1), 1e-3)
    s, t = texels[:, 2:4] - texels[:, 0:2], texels[:, 4:6] - texels[:, 0:2]
    # Both texture and picture have y downwards: seen from its front, a face runs the same way round in both or not.
    handedness = jnp.sign(s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0])
    corner = jnp.stack([attributes[faces[:, i]] for i in range(3)], axis=1)
    pieces = [corner[..., :3], corner[..., 3:6], corner[..., 6], corner[..., 7:10]]
    flat = [piece.reshape(len(faces), -1) for piece in pieces]
    return jnp.concatenate(
        [a[:, :2], slopes, inverse_z, *flat, texels, parts[:, None], handedness[:, None]], axis=1
    )


@jax.jit
def coverage(
    frame: Frame, pixels: Int[Array, "n"], triangles: Int[Array, "n"], width: int | Array, centre: float | Array
) -> Float[Array, "n 2"]:
    """Alpha and camera depth of fragments; the arguments are those of `shade`."""
    column = _columns(frame.rows, triangles)
    weights, depth = _weights(column, pixels, width, centre)
    part = column[PART].astype(jnp.int32)
    layout = frame.layout[part]
    alpha = _lookup(frame.colour, *(layout[:, i] for i in range(3)), *_texel(column, weights))[3]
    hair = frame.materials[part, HAIR_COLUMN]
    normal = _unit([_mix(column, NORMALS + i, 3, weights) for i in range(3)])
    fade = _edge_on_fade(triangles >= frame.num_solid, hair, normal)
    return jnp.stack([alpha * fade, depth], axis=1)


def shade(
    frame: Frame, pixels: Int[np.ndarray, "n"], triangles: Int[np.ndarray, "n"], width: int, centre: float | np.floating
) -> Float[np.ndarray, "n 4"]:
    """Premultiplied linear colour of fragments.

    width is the picture's; centre is where in its pixel a fragment lies, along both axes. In several compiled
    steps: in one, the compiler would compute what several results share once for each of them.
    """
    column, materials = _columns(frame.rows, triangles), frame.materials
    looked_up = _looked_up(frame.colour, frame.relief, frame.layout, column, pixels, width, centre)
    surface = _surface(materials, column, triangles >= frame.num_solid, looked_up)
    return np.stack(_combined(materials, frame.light, surface, _lit(materials, frame.light, surface)), axis=1)


class _Surface(NamedTuple):
    """What the light falls on, as columns: vectors are lists of three."""

    normal: list
    bumped: list
    strand: list
    second_strand: list
    mirrored: list
    facing_viewer: Array
    openness: Array
    gloss: Array
    roughness: Array
    shadows: list
    albedo: list
    alpha: Array
    part: Array


@jax.jit
def _columns(rows, triangles) -> Array:
    return rows[triangles].T


@jax.jit
def _looked_up(colours, reliefs, layouts, column, pixels, width, centre) -> tuple[list, list, list]:
    """Interpolated vertex attributes (normal, strand, openness, shadows), and the texels of colour and relief."""
    weights, _ = _weights(column, pixels, width, centre)
    layout = layouts[column[PART].astype(jnp.int32)]
    first, texture_width, texture_height, relief_first, has_relief = (layout[:, i] for i in range(5))
    x, y = _texel(column, weights)
    values = [_mix(column, NORMALS + i, 3, weights) for i in range(3)]
    values += [_mix(column, STRANDS + i, 3, weights) for i in range(3)]
    values += [_mix(column, OPENNESS, 1, weights)]
    values += [_mix(column, SHADOWS + i, 3, weights) for i in range(NUM_LIGHTS)]
    colour = _lookup(colours, first, texture_width, texture_height, x, y)
    relief = _lookup(reliefs, relief_first, texture_width * has_relief, texture_height * has_relief, x, y)
    return values, colour, relief


@jax.jit
def _surface(materials, column, in_layers, looked_up) -> _Surface:
    vertex, (red, green, blue, alpha), (slope_u, slope_v, gloss, roughness) = looked_up
    part = column[PART].astype(jnp.int32)
    values = Material(*_fields(materials[part]))
    albedo = [_power(c, GAMMA) * gain for c, gain in zip((red, green, blue), values.gain, strict=True)]
    normal = _unit(vertex[:3])
    alpha = alpha * _edge_on_fade(in_layers, values.hair, normal)
    flip = jnp.where((values.two_sided > 0.5) & (normal[2] > 0.0), -1.0, 1.0)
    normal = [flip * axis for axis in normal]
    strand = _unit(vertex[3:6])
    across = [column[HANDEDNESS] * axis for axis in _cross(normal, strand)]
    along_slope, across_slope = 4.0 * values.bump * (slope_v - 0.502), 4.0 * values.bump * (slope_u - 0.502)
    bumped = _unit([n - across_slope * t - along_slope * b for n, t, b in zip(normal, across, strand, strict=True)])
    facing_viewer = jnp.clip(-bumped[2], 0.0, 1.0)
    level = jnp.clip(0.3 * red + 0.59 * green + 0.11 * blue, 0.0, 1.0)
    return _Surface(
        normal=normal,
        bumped=bumped,
        # The first highlight is shifted to the roots, the second, coloured one to the tips; unevenly, as hairs lie.
        strand=_unit([t + (0.35 * level - 0.22) * n for t, n in zip(strand, normal, strict=True)]),
        second_strand=_unit([t + (0.35 * level + 0.10) * n for t, n in zip(strand, normal, strict=True)]),
        mirrored=[2.0 * facing_viewer * axis for axis in bumped[:2]] + [2.0 * facing_viewer * bumped[2] + 1.0],
        facing_viewer=facing_viewer,
        openness=jnp.maximum(vertex[6], values.least_open),
        gloss=2.0 * gloss,
        roughness=2.0 * roughness,
        shadows=vertex[7:],
        albedo=albedo,
        alpha=alpha,
        part=part,
    )


@jax.jit
def _lit(materials, light: Light, surface: _Surface) -> list:
    """What the three colours of each light share: the cosines on plain and on bumped skin, and three highlights."""
    values = Material(*_fields(materials[surface.part]))
    rise = (1.0 - surface.facing_viewer) ** 5
    fresnel = values.facing + 0.25 * (1.0 - values.facing) * rise * jnp.where(values.facing > 0.0, 1.0, 0.0)
    sharp, broad = values.sharp * surface.roughness, values.broad
    terms = [0.9 * fresnel * surface.gloss * surface.openness]
    for index in range(NUM_LIGHTS):
        direction, shadow = light.directions[index], surface.shadows[index]
        half = direction + jnp.array([0.0, 0.0, -1.0])
        half = half / (jnp.linalg.norm(half) + 1e-6)
        plain, fine = _dot(surface.normal, direction), _dot(surface.bumped, direction)
        lift = jnp.maximum(_dot(surface.bumped, half), 0.0)
        lobe = values.sharp_share * (sharp + 8.0) / 8.0 * _power(lift, sharp)
        lobe = lobe + (1.0 - values.sharp_share) * (broad + 8.0) / 8.0 * _power(lift, broad)
        glint = fresnel * surface.gloss * lobe * jnp.clip(plain * 4.0, 0.0, 1.0) * shadow
        # A window seen in the cornea: a disc where the mirrored view meets the light.
        window = jax.nn.sigmoid(60.0 * (_dot(surface.mirrored, direction) - 0.975)) * shadow
        glint = jnp.where(values.eye > 0.5, jnp.minimum(glint, 0.6) + 0.35 * window, glint)
        fibre = values.hair * surface.gloss * jnp.clip(0.35 + plain, 0.0, 1.0) * shadow
        first_lobe = 0.055 * fibre * _power(_sine(surface.strand, half), 90.0)
        second_lobe = 0.30 * fibre * _power(_sine(surface.second_strand, half), 16.0)
        terms.append((plain, fine, glint + first_lobe, second_lobe))
    return terms


@jax.jit
def _combined(materials, light: Light, surface: _Surface, terms: list) -> tuple[Array, Array, Array, Array]:
    values = Material(*_fields(materials[surface.part]))
    irradiance = _environment(light.irradiance, surface.normal)
    reflected = _environment(light.irradiance, surface.mirrored)
    sheen = 1.0 + values.sheen * (1.0 - surface.facing_viewer) ** 3
    colours = []
    for channel, softness in enumerate((0.75, 0.35, 0.0)):
        albedo, wrap = surface.albedo[channel], values.wrap[channel]
        # Light that bounces within a fold takes on the surface's colour: bright surfaces darken less.
        diffuse = irradiance[channel] * _power(surface.openness, 1.0 - 0.45 * albedo) * sheen
        shine = terms[0] * reflected[channel]
        for index, (plain, fine, highlight, coloured) in enumerate(terms[1:]):
            # Relief shows least in red, which comes from deep in the skin; blood lets red creep into shadows as well.
            cosine = fine + values.bump * softness * (plain - fine)
            lit = jnp.maximum(cosine + wrap, 0.0) / (1.0 + wrap) ** 2
            shadow = surface.shadows[index]
            reach = shadow + values.bump * 0.35 * softness * (shadow - shadow * shadow)
            colour = light.colours[index, channel]
            diffuse += colour * lit * reach * (1.0 - 0.35 * values.hair)
            shine += colour * (highlight + coloured * (albedo + 0.006))
        colours.append((diffuse * albedo + shine) * surface.alpha)
    return (*colours, surface.alpha)


def _weights(column, pixels, width, centre):
    """Perspective-correct barycentrics as three columns, and camera depth."""
    line = pixels // width
    dx = (pixels - line * width) + centre - column[CORNER]
    dy = line + centre - column[CORNER + 1]
    l1 = dx * column[SLOPES] + dy * column[SLOPES + 1]
    l2 = dx * column[SLOPES + 2] + dy * column[SLOPES + 3]
    shares = [jnp.clip(x, 0.0, 1.0) * column[INVERSE_Z + i] for i, x in enumerate((1.0 - l1 - l2, l1, l2))]
    depth = 1.0 / (shares[0] + shares[1] + shares[2])
    return [share * depth for share in shares], depth


def _power(base, exponent):
    """A vectorised power of what is not negative; the compiler's own calls a function for each element."""
    return jnp.exp(exponent * jnp.log(base + 1e-6))


def _edge_on_fade(in_layers, hair, normal):
    fade = jnp.clip(4.0 * jnp.abs(normal[2]) - 0.4, 0.0, 1.0)
    return jnp.where(in_layers & (hair > 0.5), fade, 1.0)


def _mix(column, first, stride, weights):
    return sum(weight * column[first + stride * i] for i, weight in enumerate(weights))


def _texel(column, weights):
    return _mix(column, TEXELS, 2, weights), _mix(column, TEXELS + 1, 2, weights)


def _lookup(words, first, width, height, x, y):
    """Four channels in [0, 1], bilinear, clamped at the texture's border."""
    x = jnp.clip(x, 0.0, jnp.maximum(width - 1.001, 0.0))
    y = jnp.clip(y, 0.0, jnp.maximum(height - 1.001, 0.0))
    left, top = x.astype(jnp.int32), y.astype(jnp.int32)
    across, down = x - left, y - top
    step, line = jnp.minimum(width, 1), width
    corner = first + top * width + left
    corners = [words[corner], words[corner + step], words[corner + line], words[corner + line + step]]
    shares = [(1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down]
    return [
        sum(share * ((word >> shift) & 255).astype(jnp.float32) for share, word in zip(shares, corners, strict=True))
        * jnp.float32(1.0 / 255.0)
        for shift in (0, 8, 16, 24)
    ]


def _fields(table):
    """Columns of the material table, those of colours in threes."""
    columns = [table[:, i] for i in range(table.shape[1])]
    return [tuple(columns[:3]), tuple(columns[3:6]), *columns[6:]]


def _environment(coefficients, normal):
    basis = harmonics(*normal)
    return [jnp.maximum(sum(b * coefficients[i, c] for i, b in enumerate(basis)), 0.0) for c in range(3)]


def _dot(columns, vector):
    return columns[0] * vector[0] + columns[1] * vector[1] + columns[2] * vector[2]


def _cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def _sine(strand, direction):
    return jnp.sqrt(jnp.maximum(1.0 - _dot(strand, direction) ** 2, 0.0))


def _unit(columns):
    length = jax.lax.rsqrt(sum(column * column for column in columns) + 1e-12)
    return [column * length for column in columns]
