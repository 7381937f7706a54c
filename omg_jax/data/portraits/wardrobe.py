"""The asset pack as the portrait renderer uses it: parts by name, recoloured, each file read once."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from omg_jax.data.makehuman import Makehuman, Material, ObjMesh, Proxy, load_material, load_obj, load_proxy
from omg_jax.data.portraits.look import Look
from omg_jax.data.portraits.scene import Part
from omg_jax.data.portraits.textures import Texture, load_texture, shift_colours, tint, without_alpha

EYES = "high-poly"
# Brows stay darker than fair or grey hair (linear).
BROWS_BRIGHTEST = 0.07


class Wardrobe:
    """Parts to dress a person with, from one MakeHuman folder."""

    def __init__(self, makehuman: Makehuman):
        self.makehuman = makehuman
        self.skins = {path.stem: path for path in sorted((makehuman.root / "skins").rglob("*.mhmat"))}
        self.proxies = {
            folder: makehuman.proxies(folder)
            for folder in ("hair", "eyebrows", "eyelashes", "eyes", "teeth", "tongue", "clothes")
        }
        self.irises = {path.stem: path for path in sorted((makehuman.root / "eyes").rglob("*.mhmat"))}
        self._fitted = lru_cache(maxsize=None)(_load_fitted)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names of everything that a look can choose from."""
        suits = tuple(name for name in self.proxies["clothes"] if "suit" in name)
        chosen = {folder: tuple(paths) for folder, paths in self.proxies.items()}
        return {**chosen, "clothes": suits, "skins": tuple(self.skins), "irises": tuple(self.irises)}

    def dress(self, look: Look) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
        """Opaque parts and transparent parts of a look."""
        skin = load_texture(load_material(self.skins[look.skin]).diffuse_texture)
        # The pack's irises are more colourful than eyes are.
        iris = shift_colours(load_texture(load_material(self.irises[look.iris]).diffuse_texture), 0.0, 0.55, 0.85)
        hair_colour = np.array(look.hair_colour)
        opaque = (
            Part("skin", _gain(skin, look.skin_gain), self.makehuman.base, None),
            self._part("eyes", "eyes", EYES, iris),
            self._part("teeth", "teeth", look.teeth),
            self._part("tongue", "tongue", next(iter(self.proxies["tongue"]))),
            self._part("cloth", "clothes", look.garment, shift=look.garment_shift),
        )
        transparent = (
            self._part("brows", "eyebrows", look.brows, colour=np.minimum(0.75 * hair_colour, BROWS_BRIGHTEST)),
            self._part("brows", "eyelashes", look.lashes, colour=0.2 * hair_colour),
        )
        if look.hair:
            transparent += (self._part("hair", "hair", look.hair, colour=hair_colour),)
        return opaque, transparent

    def _part(
        self,
        material: str,
        folder: str,
        name: str,
        texture: Texture | None = None,
        colour: np.ndarray | None = None,
        shift: tuple[float, float, float] | None = None,
    ) -> Part:
        """One fitted part in its own texture or in the given one, painted in a colour or with shifted colours."""
        proxy, mesh, look = self._fitted(self.proxies[folder][name])
        texture = load_texture(look.diffuse_texture) if texture is None else texture
        if colour is not None:
            texture = tint(texture, colour)
        if shift is not None:
            texture = shift_colours(texture, *shift)
        if material == "teeth":
            texture = without_alpha(texture)
        return Part(material, texture, mesh, proxy)


def _load_fitted(path: Path) -> tuple[Proxy, ObjMesh, Material]:
    proxy = load_proxy(path)
    if proxy.material_path is None:
        raise ValueError(f"{path} names no material; expected a line 'material FILE.mhmat'")
    return proxy, load_obj(proxy.obj_path), load_material(proxy.material_path)


def _gain(texture: Texture, gain: tuple[float, float, float]) -> Texture:
    scaled = texture.copy()
    scaled[..., :3] *= np.asarray(gain, np.float32)
    return scaled
