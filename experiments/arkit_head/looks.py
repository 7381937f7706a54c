"""Pictures of the neutral head with skin, irises and eyebrows, real enough for the landmark net to see a face."""

from typing import NamedTuple

import numpy as np
from arkit_head import bases
from arkit_head.draw import View, interpolate, lambert, sample_texture, trace, vertex_normals
from PIL import Image

from omg_jax.data.makehuman import Makehuman, ObjMesh, load_material, load_obj, load_proxy

SUPERSAMPLING = 2
BACKGROUND = 0.45
# Skin is drawn down to here (decimetres), so that the net sees shoulders below the neck.
LOWEST_SKIN = 4.6
EYEBROW_DEPTH_MARGIN = 0.01


class Look(NamedTuple):
    """One person: the identity sliders that make them, and what is painted on them."""

    sliders: dict[str, float]
    skin: str
    iris: str
    eyebrows: str


def _person(sex: float, african: float, asian: float, skin: str, iris: str, eyebrows: str) -> Look:
    """Sliders that turn the even mix of races into one: african, asian, or neither."""
    sliders = {
        "macro-male-female": sex,
        "macro-african-caucasian": 2 * african - 2 / 3,
        "macro-asian-caucasian": 2 * asian - 2 / 3,
    }
    return Look(sliders, skin, iris, eyebrows)


LOOKS = (
    _person(1.0, 0.0, 0.0, "young_caucasian_male", "brown", "eyebrow001"),
    _person(-1.0, 0.0, 0.0, "young_caucasian_female", "blue", "eyebrow008"),
    _person(1.0, 1.0, 0.0, "young_african_male", "brown", "eyebrow004"),
    _person(-1.0, 0.0, 1.0, "young_asian_female", "brownlight", "eyebrow010"),
)


class _Layer(NamedTuple):
    """A textured mesh in world units."""

    vertices: np.ndarray
    faces: np.ndarray
    face_uvs: np.ndarray
    texture: np.ndarray


class Portrait:
    """One look, ready to be drawn from any side."""

    def __init__(self, makehuman: Makehuman, look: Look, origin: np.ndarray, sliders: dict[str, np.ndarray]):
        self.look = look
        identity = bases.neutral_base(makehuman) + sum(w * sliders[name] for name, w in look.sliders.items())

        def layer(mesh: ObjMesh, vertices: np.ndarray, group: str | None, texture) -> _Layer:
            faces, uv_ids = mesh.triangles(group)
            return _Layer((vertices - origin) * 0.5, faces, mesh.uvs[uv_ids], _load_texture(texture))

        def fitted(folder: str, name: str, texture=None) -> _Layer:
            proxy = load_proxy(makehuman.proxies(folder)[name])
            texture = texture or load_material(proxy.material_path).diffuse_texture
            return layer(load_obj(proxy.obj_path), proxy.fit(identity, identity), None, texture)

        skin_material = makehuman.root / "skins" / look.skin / f"{look.skin}.mhmat"
        iris_material = makehuman.root / "eyes" / "materials" / f"{look.iris}.mhmat"
        skin = layer(makehuman.base, identity, "body", load_material(skin_material).diffuse_texture)
        shown = (identity[skin.faces][..., 1] > LOWEST_SKIN).all(axis=1)
        self.skin = skin._replace(faces=skin.faces[shown], face_uvs=skin.face_uvs[shown])
        self.eyes = _without_transparent(fitted("eyes", "high-poly", load_material(iris_material).diffuse_texture))
        self.eyebrows = fitted("eyebrows", look.eyebrows)

    def draw(self, camera: View) -> np.ndarray:
        """An 8-bit picture [size, size, 3]: skin and eyes, then eyebrows blended over."""
        large = camera._replace(size=camera.size * SUPERSAMPLING)
        image = np.full((large.size, large.size, 3), BACKGROUND)
        depth = np.full((large.size, large.size), np.inf)
        for layer, bias in ((self.skin, 0.0), (self.eyes, 0.0), (self.eyebrows, EYEBROW_DEPTH_MARGIN)):
            hits = trace(layer.vertices, layer.faces, large)
            colour = sample_texture(layer.texture, interpolate(layer.face_uvs, hits))
            normals = interpolate(vertex_normals(layer.vertices, layer.faces)[layer.faces], hits)
            shaded = colour[..., :3] * lambert(_facing(normals, large))[..., None]
            seen = hits.depth < depth + bias
            alpha = np.where(seen, colour[..., 3], 0.0)[..., None]
            image = alpha * shaded + (1 - alpha) * image
            depth = np.where(seen, np.minimum(depth, hits.depth), depth)
        small = image.reshape(camera.size, SUPERSAMPLING, camera.size, SUPERSAMPLING, 3).mean(axis=(1, 3))
        return (np.clip(small, 0, 1) * 255 + 0.5).astype(np.uint8)


def portraits(makehuman: Makehuman, origin: np.ndarray, rows: np.ndarray) -> list[Portrait]:
    """All LOOKS; origin and rows (of skin) as the head has them."""
    sliders = dict(zip(*bases.identity_offsets(makehuman, rows), strict=True))
    return [Portrait(makehuman, look, origin, sliders) for look in LOOKS]


def _load_texture(path) -> np.ndarray:
    """RGBA in [0, 1]; colour under transparent texels is not used."""
    return np.asarray(Image.open(path).convert("RGBA"), np.float64) / 255


def _without_transparent(layer: _Layer) -> _Layer:
    """Drops triangles that the texture makes transparent: the cornea in front of the iris."""
    opaque = sample_texture(layer.texture, layer.face_uvs.mean(axis=1))[:, 3] > 0.75
    return layer._replace(faces=layer.faces[opaque], face_uvs=layer.face_uvs[opaque])


def _facing(normals: np.ndarray, camera: View) -> np.ndarray:
    """Normals in the frame of the light, which stands still beside the camera; back faces are lit as front faces."""
    turned = normals @ camera.rotation.T * [1, -1, -1]
    return np.where(turned[..., 2:] < 0, -turned, turned)
