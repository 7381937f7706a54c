"""The asset pack as the portrait renderer uses it: parts by name, painted, each file read once."""

from functools import cache, cached_property, lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from PIL import Image
from scipy.spatial import cKDTree

from omg_jax.data.makehuman import Makehuman, Material, ObjMesh, Proxy, load_material, load_obj, load_proxy
from omg_jax.data.portraits.anatomy import TEXTURE_SIZE, build_anatomy, texel_places
from omg_jax.data.portraits.basis import BodyBasis
from omg_jax.data.portraits.eyes import paint_eyes
from omg_jax.data.portraits.garments import paint_garment
from omg_jax.data.portraits.look import HairLook, Look
from omg_jax.data.portraits.scene import Part, Reshape
from omg_jax.data.portraits.skin import paint_skin
from omg_jax.data.portraits.textures import (
    Texture,
    denser,
    load_texture,
    opaque,
    relief,
    shaded,
    strand_gloss,
    tint,
    with_strands,
)

EYES = "high-poly"
IRIS_SOURCE = "grey"
GARMENT_SIZE = 512  # texels, at most
SKIN_RELIEF = (3.0, 4.0)  # largest feature in texels, strength
CLOTH_RELIEF = (4.0, 6.0)
# Hair turns about this height and this place of the head's axis (world units) when its volume changes.
HEAD_CENTRE = np.array([0.0, 0.12, -0.16])
MOUTH_HEIGHT = -0.22


class Wardrobe:
    """Parts to dress a person with, from one MakeHuman folder."""

    def __init__(self, makehuman: Makehuman, basis: BodyBasis):
        self.makehuman, self.basis = makehuman, basis
        self.skins = {path.stem: path for path in sorted((makehuman.root / "skins").rglob("*.mhmat"))}
        self.proxies = {
            folder: makehuman.proxies(folder)
            for folder in ("hair", "eyebrows", "eyelashes", "eyes", "teeth", "tongue", "clothes")
        }
        self.irises = {path.stem: path for path in sorted((makehuman.root / "eyes").rglob("*.mhmat"))}
        self._fitted = lru_cache(maxsize=None)(_load_fitted)
        self._skin_relief = lru_cache(maxsize=None)(lambda path: relief(_skin_texture(path), *SKIN_RELIEF))
        self._garment = lru_cache(maxsize=None)(self._load_garment)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names of everything that a look can choose from."""
        suits = tuple(name for name in self.proxies["clothes"] if "suit" in name)
        chosen = {folder: tuple(paths) for folder, paths in self.proxies.items()}
        return {**chosen, "clothes": suits, "skins": tuple(self.skins)}

    @cached_property
    def anatomy(self):
        return build_anatomy(self.makehuman.base, self.basis.average, self.basis.lip_rows)

    @cached_property
    def mirror(self) -> Int[np.ndarray, "b"]:
        """Row of each base vertex's mirror image."""
        vertices = self.makehuman.base.vertices
        return cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])[1].astype(np.int32)

    def dress(self, rng: np.random.Generator, look: Look) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        """Opaque parts and transparent parts of a look; rng draws spots and noise of the paint."""
        skin_paths = [load_material(self.skins[name]).diffuse_texture for name in look.skin.textures]
        details = tuple(_skin_texture(path) for path in skin_paths)
        skin, slopes = paint_skin(rng, details, self._skin_relief(skin_paths[0]), self.anatomy, look.skin)
        irises = load_texture(load_material(self.irises[IRIS_SOURCE]).diffuse_texture)
        mesh, proxy, cloth, cloth_relief, places = self._garment(look.garment.name)
        teeth = self._part("teeth", "teeth", look.teeth)
        tinted = opaque(shaded(teeth.texture, look.teeth_tint, 0.5))
        solid = (
            Part("skin", skin, self.makehuman.base, None, slopes),
            self._part("eyes", "eyes", EYES)._replace(texture=paint_eyes(irises, look.iris, look.sclera)),
            teeth._replace(texture=tinted),
            self._part("tongue", "tongue", next(iter(self.proxies["tongue"]))),
            Part("cloth", paint_garment(cloth, places, look.garment), mesh, proxy, cloth_relief),
        )
        brows, lashes = self._part("brows", "eyebrows", look.brows), self._part("brows", "eyelashes", look.lashes)
        lash_colour = np.minimum(0.25 * np.array(look.brow_colour), 0.02)
        layers = (
            brows._replace(texture=denser(tint(brows.texture, np.array(look.brow_colour)), look.brow_density)),
            lashes._replace(texture=denser(tint(lashes.texture, lash_colour), look.lash_density)),
        )
        return solid, layers + ((self._hair(look.hair),) if look.hair.style else ())

    def _hair(self, look: HairLook) -> Part:
        """Hair in one colour, as it is or mirrored, in its own volume and length."""
        part = self._part("hair", "hair", look.style, halvings=1)
        texture = with_strands(tint(part.texture, np.array(look.colour), look.contrast), look.strands)
        part = part._replace(texture=texture, relief=strand_gloss(*texture.shape[:2]), reshape=_reshape(look))
        return _mirrored(part, self.mirror) if look.mirrored else part

    def _part(self, material: str, folder: str, name: str, halvings: int = 0) -> Part:
        """One fitted part in its own texture."""
        proxy, mesh, look = self._fitted(self.proxies[folder][name])
        return Part(material, load_texture(look.diffuse_texture, halvings), mesh, proxy)

    def _load_garment(self, name: str):
        """Mesh, proxy, texture, relief, and where on the average body each texel lies."""
        proxy, mesh, look = self._fitted(self.proxies["clothes"][name])
        with Image.open(look.diffuse_texture) as image:
            halvings = max(int(np.ceil(np.log2(max(image.size) / GARMENT_SIZE))), 0)
        texture = load_texture(look.diffuse_texture, halvings)
        scale, average = self.basis.scale, self.basis.average
        fitted = scale * proxy.fit(average / scale, average / scale)
        places = texel_places(mesh, *mesh.triangles(), fitted, texture.shape[0])
        return mesh, proxy, texture, relief(texture, *CLOTH_RELIEF), places


def _load_fitted(path: Path) -> tuple[Proxy, ObjMesh, Material]:
    proxy = load_proxy(path)
    if proxy.material_path is None:
        raise ValueError(f"{path} names no material; expected a line 'material FILE.mhmat'")
    return proxy, load_obj(proxy.obj_path), load_material(proxy.material_path)


@cache
def _skin_texture(path: Path) -> Texture:
    """A skin of TEXTURE_SIZE, enlarged if it is smaller."""
    texture = load_texture(path)
    if texture.shape[0] == TEXTURE_SIZE:
        return texture
    picture = Image.fromarray(texture[..., :3]).resize((TEXTURE_SIZE, TEXTURE_SIZE), Image.Resampling.LANCZOS)
    return opaque(np.asarray(picture.convert("RGBA")))


def _reshape(look: HairLook) -> Reshape:
    """Moves hair out from the head's centre, and shortens what hangs below the mouth."""

    def moved(positions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        # Near the face the hairline stays where it is.
        free = np.clip((0.15 - positions[:, 2:]) / 0.3, 0.0, 1.0)
        result = positions + free * (look.volume - 1.0) * (positions - HEAD_CENTRE)
        below = np.minimum(result[:, 1] - MOUTH_HEIGHT, 0.0)
        result[:, 1] += (look.length - 1.0) * below
        return result

    return moved


def _mirrored(part: Part, mirror: Int[np.ndarray, "b"]) -> Part:
    """The part on the other side: its references mirrored, its offsets flipped, its faces turned round."""
    proxy = part.proxy._replace(refs=mirror[part.proxy.refs], offsets=part.proxy.offsets * [-1.0, 1.0, 1.0])
    return part._replace(proxy=proxy)
