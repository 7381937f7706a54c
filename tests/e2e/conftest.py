"""What the command tests share: a runner, a small network with random weights, photos."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pytest
from PIL import Image
from skimage import data

from omg_jax.cli.main import main
from omg_jax.configs import load_preset
from omg_jax.geometry.camera import portrait_intrinsics
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.models.omg import build_model
from omg_jax.models.state import split_shapes
from omg_jax.models.weights import WeightsMeta, save_weights
from omg_jax.tracking.motion import Motion, save_motion
from omg_jax.types import Camera

NUM_FRAMES = 3


class Run(NamedTuple):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="package", autouse=True)
def compiled(tmp_path_factory) -> Iterator[str]:
    """The folder of compiled programs: commands build the same networks again and again, also in other processes."""
    folder = str(tmp_path_factory.mktemp("compiled"))
    options = {"jax_compilation_cache_dir": folder, "jax_persistent_cache_min_compile_time_secs": 0.0}
    before = {name: getattr(jax.config, name) for name in options}
    for name, value in options.items():
        jax.config.update(name, value)
    yield folder
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def omg(capsys):
    """Runs a command line in this process."""

    def run(*arguments) -> Run:
        try:
            main([str(argument) for argument in arguments])
            code = 0
        except SystemExit as ending:
            code = ending.code
        streams = capsys.readouterr()
        return Run(code, streams.out, streams.err)

    return run


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """A weights file of the tiny preset: random, so its pictures mean nothing, but every path runs."""
    config, head = load_preset("tiny"), load_head("arkit")
    _, shapes, _ = split_shapes(lambda: build_model(config.model, head.model, seed=0))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda array: rng.normal(0.0, 0.1, array.shape).astype(np.float32), shapes)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    meta = WeightsMeta(
        preset="tiny", model=config.model, head_name=head.name, head_sha256=head.sha256, step=0
    )
    save_weights(path, params, meta)
    return path


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> dict[str, Path]:
    """Photo files by what is odd about them."""
    folder = tmp_path_factory.mktemp("photos")
    astronaut = Image.fromarray(data.astronaut())
    smaller = astronaut.resize((320, 320))
    both = Image.new("RGB", (832, 512))
    both.paste(astronaut, (0, 0))
    both.paste(smaller, (512, 0))
    pictures = {
        "one face": astronaut,
        "two faces": both,
        "no face": Image.fromarray(data.rocket()),
        "20x20": astronaut.resize((20, 20)),
    }
    paths = {name: folder / f"{name.replace(' ', '_')}.png" for name in pictures}
    for name, picture in pictures.items():
        picture.save(paths[name])
    paths["text"] = folder / "text.jpg"
    paths["text"].write_text("this is not a picture\n")
    return paths


@pytest.fixture(scope="session")
def tiny_avatar(photos, tiny_weights, tmp_path_factory) -> Path:
    """The avatar that the tiny network makes of the photo with one face."""
    path = tmp_path_factory.mktemp("avatars") / "tiny.omg"
    main(["reconstruct", str(photos["one face"]), "-o", str(path), "--preset", "tiny", "--weights", str(tiny_weights)])
    return path


@pytest.fixture(scope="session")
def short_motion(tmp_path_factory) -> Path:
    """A motion file of NUM_FRAMES frames: a head in front of the camera that opens its mouth."""
    head = load_head("arkit")
    params = zero_params(head.model, (NUM_FRAMES,))
    jaw_open = head.expression_names.index("jawOpen")
    opening = np.linspace(0.0, 0.8, NUM_FRAMES)
    params = params._replace(expression_params=params.expression_params.at[:, jaw_open].set(opening))
    world_to_camera = np.diag([1.0, -1.0, -1.0, 1.0])
    world_to_camera[2, 3] = 9.5
    matrices = (world_to_camera, np.asarray(portrait_intrinsics((512, 512))))
    camera = Camera(*(np.tile(matrix.astype(np.float32), (NUM_FRAMES, 1, 1)) for matrix in matrices))
    path = tmp_path_factory.mktemp("motions") / "short.npz"
    save_motion(path, Motion(params, camera, (512, 512), 25.0, head.name, head.sha256, "a test"))
    return path
