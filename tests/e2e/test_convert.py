"""Files of others to files of ours, and a photo through a converted network."""

import functools
import json
import pickle
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from skimage import data

from omg_jax.avatar_file import load_avatar
from omg_jax.cli import convert
from omg_jax.cli.video import write_video
from omg_jax.config import GaussianConfig, ModelConfig, PlaneConfig, TransformerConfig
from omg_jax.head.load import load_head
from omg_jax.models import dinov2
from omg_jax.models.dinov2 import DinoConfig, DinoV2
from omg_jax.models.dinov2_weights import load_dinov2
from omg_jax.models.omg import build_model
from omg_jax.models.release_weights import convert_release
from omg_jax.models.state import split_shapes
from omg_jax.models.weights import load_backbone
from omg_jax.tracking.motion import load_motion
from tests.parity.flame_file import write_flame_pickle
from tests.unit.models.release_checkpoint import foreign_state, official_dinov2_state, release_state, unused_state
from tests.unit.models.torch_zip import write_torch

# The paper's network, narrow; only its refiner has the size that it was published with.
CONFIG = ModelConfig(
    backbone="dinov2-small",
    backbone_size=70,
    width=16,
    pyramid_channels=(6, 8, 10, 12),
    transformer=TransformerConfig(num_layers=1, num_heads=2, hidden=24),
    gaussians=GaussianConfig(num_channels=8, hidden=9),
    plane=PlaneConfig(hidden=11, capacity=1600),
    compat="release",
)
DINO = DinoConfig(width=8, depth=4, num_heads=2)


@pytest.fixture(autouse=True)
def narrow_backbone(monkeypatch):
    """The name dinov2-small for a network of a few thousand parameters."""
    monkeypatch.setitem(dinov2.CONFIGS, "dinov2-small", DINO)


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """A checkpoint like the authors', random, of the narrow network on the built-in head."""
    head, rng = load_head("arkit"), np.random.default_rng(0)
    _, like, _ = split_shapes(lambda: build_model(CONFIG, head.model, seed=0))
    dino = nnx.to_pure_dict(nnx.state(nnx.eval_shape(lambda: DinoV2(DINO, nnx.Rngs(0)))))
    params, backbone = (
        jax.tree.map(lambda leaf: rng.normal(0.0, 0.1, leaf.shape).astype(np.float32), tree) for tree in (like, dino)
    )

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    state = release_state(params, backbone) | unused_state(params, zeros) | foreign_state(zeros)
    return write_torch(tmp_path / "omg_ckpt.pt", {"model": state, "meta_cfg": {"MODEL": {"DIM": 16}}})


def test_a_photo_through_a_converted_checkpoint(omg, photos, checkpoint, flame_like, tmp_path):
    """The release is made for FLAME; the built-in head in FLAME's clothes stands for it."""
    weights = tmp_path / "release.safetensors"
    convert_release(checkpoint, weights, CONFIG, load_head("arkit").model.template.shape[0])
    options = ["-o", tmp_path / "a.omg", "--preset", "paper", "--weights", weights]
    run = omg("reconstruct", photos["one face"], *options)
    assert run.code == 2 and "trained with head flame, expected arkit" in run.err
    run = omg("reconstruct", photos["one face"], *options, "--head", f"flame:{flame_like}")
    assert run.code == 0, run.err
    avatar = load_avatar(tmp_path / "a.omg")
    assert (avatar.meta.compat, avatar.meta.head_name) == ("release", "flame")
    assert all(np.isfinite(level.features).all() for level in avatar.levels)
    flame, motion = ("--head", f"flame:{flame_like}"), tmp_path / "motion.npz"
    assert omg("track", photos["one face"], "-o", motion, *flame).code == 0
    play = ["--driver", motion, "--weights", weights, "--lod", 0, "--no-refiner", "-o", tmp_path / "out.mp4"]
    run = omg("animate", tmp_path / "a.omg", *play, *flame)
    assert run.code == 0, run.err


def test_a_clip_and_a_photo_tracked_with_a_flame_file(omg, photos, flame_like, tmp_path):
    head = load_head(f"flame:{flame_like}")
    clip = tmp_path / "clip.mp4"
    write_video(clip, (np.roll(data.astronaut(), 2 * step, axis=1) for step in range(4)), 25.0)
    for source in (photos["one face"], clip):
        run = omg("track", source, "-o", tmp_path / "motion.npz", "--head", f"flame:{flame_like}", "--json")
        assert run.code == 0 and json.loads(run.out)["head"] == "flame", run.err
        motion = load_motion(tmp_path / "motion.npz", head)
        # She smiles, her lips apart.
        assert (motion.head_params.jaw_pose[:, 0] > 0).all() and motion.head_params.expression_params.any()
    assert json.loads((tmp_path / "motion.json").read_text())["error_percent_of_eye_distance"]["median"] < 2.0


def test_the_command_for_the_release(omg, checkpoint, tmp_path, monkeypatch):
    num_vertices = load_head("arkit").model.template.shape[0]
    narrow = functools.partial(convert_release, config=CONFIG, num_vertices=num_vertices)
    monkeypatch.setattr(convert, "convert_release", narrow)
    run = omg("convert", "release", checkpoint, "-o", tmp_path / "out.safetensors", "--json")
    assert run.code == 0, run.err
    facts = json.loads(run.out)
    assert facts["extra"] == []
    assert facts["dropped"]["FLAME"]["arrays"] == 2
    assert facts["unused"]["offset MLPs of the attribute heads"]["arrays"] == 3 * 4
    assert "FLAME" in run.err and "loss networks" in run.err
    assert load_backbone(tmp_path / "out.safetensors", nnx.to_pure_dict(nnx.state(DinoV2(DINO, nnx.Rngs(0)))))


def test_the_command_for_a_backbone(omg, tmp_path):
    params = nnx.to_pure_dict(nnx.state(DinoV2(DINO, nnx.Rngs(0))))
    state = {name: np.asarray(array) for name, array in official_dinov2_state("", params).items()}
    source, output = write_torch(tmp_path / "dinov2_vits14_pretrain.pth", state), tmp_path / "dinov2.safetensors"
    run = omg("convert", "dinov2", source, "-o", output, "--json")
    assert run.code == 0, run.err
    facts = json.loads(run.out)
    assert (facts["backbone"], facts["give_its_path_in"]) == ("dinov2-small", "OMG_ASSET_DINOV2_SMALL")
    np.testing.assert_array_equal(load_dinov2("dinov2-small", output).norm.bias[...], params["norm"]["bias"])


def test_the_command_for_flame(omg, tmp_path):
    write_flame_pickle(tmp_path / "flame.pkl", seed=3)
    run = omg("convert", "flame", tmp_path / "flame.pkl", "-o", tmp_path / "flame.npz")
    assert run.code == 0, run.err
    assert load_head(f"flame:{tmp_path / 'flame.npz'}").name == "flame"


@pytest.mark.parametrize("kind", ["dinov2", "release", "flame"])
def test_files_that_are_not_what_they_should_be(omg, tmp_path, kind):
    folder = tmp_path / "output"
    folder.mkdir()
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"model": print}))
    run = omg("convert", kind, tmp_path / "bad.pkl", "-o", folder / "out.npz")
    assert run.code == 2
    assert run.err.splitlines()[-1].startswith("omg: ") and "bad.pkl" in run.err
    assert list(folder.iterdir()) == []
