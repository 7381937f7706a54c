"""Landmark embeddings beside a FLAME file: what is read, which is believed, and what is refused in which words."""

import collections
import pickle
import shutil
import sys
import types

import numpy as np
import pytest

from omg_jax.head import load_head
from omg_jax.head.flame_landmarks import CONTOUR_SIGMA, IBUG_POINTS, MESH_SIGMA, NUM_CONTOUR, READERS
from omg_jax.head.model import head_landmarks
from omg_jax.tracking.face_mesh import LEFT_IRIS, NUM_LANDMARKS, RIGHT_IRIS
from tests.tolerances import SKINNING

MEDIAPIPE, FULL, STATIC = READERS
IRISES = RIGHT_IRIS + LEFT_IRIS


@pytest.fixture
def folder(tmp_path, flame_like):
    """A folder with the model alone."""
    (tmp_path / flame_like.name).symlink_to(flame_like)
    return tmp_path


def load(folder, flame_like, *names: str):
    for name in names:
        shutil.copy(flame_like.parent / name, folder)
    return load_head(f"flame:{folder / flame_like.name}")


def test_points_of_ibug_are_points_of_the_face_mesh_each_once():
    assert len(IBUG_POINTS) == len(set(IBUG_POINTS)) == 68 and max(IBUG_POINTS) < NUM_LANDMARKS - len(IRISES)


def test_landmarks_of_all_files_and_the_irises(folder, flame_like):
    head, arkit = load(folder, flame_like, *READERS), load_head("arkit")
    ids = head.landmark_ids
    assert len(ids) == len(set(ids.tolist())) and set(IBUG_POINTS) | set(IRISES) < set(ids.tolist())
    expected = np.asarray(head_landmarks(arkit.model, arkit.model.template))[ids]
    np.testing.assert_allclose(head_landmarks(head.model, head.model.template), expected, **SKINNING)
    # A point of two files has the first one's certainty.
    assert (head.landmark_sigmas[:105] == MESH_SIGMA).all()
    assert head.landmark_sigmas[ids.tolist().index(IBUG_POINTS[0])] == np.float32(CONTOUR_SIGMA)


@pytest.mark.parametrize("name, count", [(MEDIAPIPE, 105), (FULL, 68), (STATIC, 51)])
def test_any_of_the_files_will_do(folder, flame_like, name, count):
    assert len(load(folder, flame_like, name).landmark_ids) == count + len(IRISES)


def test_without_a_file_there_are_no_landmarks_but_the_same_head(folder, flame_like):
    bare = load(folder, flame_like)
    assert len(bare.landmark_ids) == 0 and bare.model.landmark_faces.shape == (0,)
    assert bare.sha256 == load_head(f"flame:{flame_like}").sha256


def test_the_inner_points_stand_behind_the_contour(folder, flame_like):
    assert load(folder, flame_like, STATIC).landmark_ids[:51].tolist() == list(IBUG_POINTS[NUM_CONTOUR:])


def test_tensors_of_pytorch_in_an_npy_file_are_passed_over(folder, flame_like, monkeypatch):
    """The published file holds its points as numpy arrays, beside tables for turned heads as tensors."""
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))
    for module, name in (("torch._utils", "_rebuild_tensor_v2"), ("torch.storage", "_load_from_bytes")):

        def rebuild(*_):
            pytest.fail("a tensor was rebuilt")

        rebuild.__module__, rebuild.__qualname__ = module, name
        stand_in = types.ModuleType(module)
        setattr(stand_in, name, rebuild)
        monkeypatch.setitem(sys.modules, module, stand_in)

    class Storage:
        def __reduce__(self):
            return sys.modules["torch.storage"]._load_from_bytes, (b"",)

    class Tensor:
        def __reduce__(self):
            rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
            return rebuild, (Storage(), 0, (79, 17), (17, 1), False, collections.OrderedDict())

    full = np.load(flame_like.parent / FULL, allow_pickle=True)[()]
    np.save(folder / FULL, full | {"dynamic_lmk_faces_idx": Tensor()}, allow_pickle=True)
    assert len(load(folder, flame_like).landmark_ids) == 68 + len(IRISES)


def test_code_in_an_npy_file_is_not_run(folder, flame_like, capsys):
    class RunsCode:
        def __reduce__(self):
            return print, ("run",)

    np.save(folder / FULL, {"full_lmk_faces_idx": RunsCode()}, allow_pickle=True)
    with pytest.raises(ValueError, match=r"landmark_embedding\.npy is refused"):
        load(folder, flame_like)
    assert "run" not in capsys.readouterr().out


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_named(folder, flame_like, name):
    content = (flame_like.parent / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=name):
        load(folder, flame_like)


def test_another_meshs_embedding_is_refused(folder, flame_like):
    faces = np.full(51, 999_999)
    (folder / STATIC).write_bytes(pickle.dumps({"lmk_face_idx": faces, "lmk_b_coords": np.full((51, 3), 1 / 3)}))
    with pytest.raises(ValueError, match="no embedding of this model"):
        load(folder, flame_like)
    (folder / STATIC).write_bytes(pickle.dumps({"lmk_face_idx": faces[:7], "lmk_b_coords": np.ones((7, 3))}))
    with pytest.raises(ValueError, match="51 or 68 landmarks of 3 numbers, got 7 of 21"):
        load(folder, flame_like)
    (folder / STATIC).write_bytes(pickle.dumps({"landmarks": faces}))
    with pytest.raises(ValueError, match="expected a dict with lmk_face_idx"):
        load(folder, flame_like)
