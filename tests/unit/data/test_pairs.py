"""Pair sampling: which frames a batch holds, where its windows lie, and that nothing but (seed, step) decides."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.data.clips import load_clip, save_clip, write_index
from omg_jax.data.pairs import check_pairs, load_batch, load_pair, pair_at, prefetched, window_corner
from omg_jax.geometry.camera import world_to_pixels
from omg_jax.types import Camera
from tests.unit.data.marked_clips import NUM_FRAMES, SIZE, marked_clip, marked_clips, same, tokens

WINDOW = 24
POINTS = np.array([[0.02, 0.01, 0.0], [-0.03, 0.02, 0.0], [0.0, -0.03, 0.05]], np.float32)


def on_device(camera: Camera) -> Camera:
    return Camera(*map(jnp.asarray, camera))


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return marked_clips(tmp_path_factory.mktemp("clips"))


def test_an_epoch_shows_every_frame_once_as_target(index):
    total = sum(NUM_FRAMES)
    for epoch in (0, 3):
        pairs = [pair_at(index, 0, epoch * total + i) for i in range(total)]
        assert len({(pair.clip, pair.target) for pair in pairs}) == total

    def order(seed: int, epoch: int) -> list:
        return [pair_at(index, seed, epoch * total + i)[:3] for i in range(total)]

    assert order(0, 0) != order(0, 1) and order(0, 0) != order(1, 0)


def test_the_source_is_another_frame_of_the_same_clip(index):
    pairs = [pair_at(index, 5, sample) for sample in range(200)]
    assert all(pair.source != pair.target and 0 <= pair.source < NUM_FRAMES[pair.clip] for pair in pairs)
    assert {pair.source for pair in pairs if pair.clip == 2} == set(range(NUM_FRAMES[2]))


def test_a_batch_holds_the_frames_of_its_pairs(index):
    batch = load_batch(index, 0, 4, 3, WINDOW, tokens)
    for row, sample in enumerate(range(12, 15)):
        pair = pair_at(index, 0, sample)
        assert tuple(batch.source_params.shape_params[row]) == (pair.clip, pair.source)
        assert tuple(batch.target_params.shape_params[row]) == (pair.clip, pair.target)
        assert tuple(batch.source_tokens[0][row, 0, :2]) == (pair.clip, pair.source)
        assert batch.source_tokens[0][row, 0, 2] == batch.source_image[row].mean()


def test_a_batch_is_a_function_of_seed_and_step(index):
    batch = load_batch(index, 0, 7, 4, WINDOW, tokens)
    assert same(batch, load_batch(index, 0, 7, 4, WINDOW, tokens))
    assert not same(batch, load_batch(index, 1, 7, 4, WINDOW, tokens))
    assert not same(batch, load_batch(index, 0, 8, 4, WINDOW, tokens))


@pytest.mark.parametrize("hosts", [1, 2, 4])
def test_hosts_take_slices_of_one_batch(index, hosts):
    whole = load_batch(index, 0, 7, 4, WINDOW, tokens)
    share = 4 // hosts
    slices = [slice(host * share, (host + 1) * share) for host in range(hosts)]
    parts = [load_batch(index, 0, 7, 4, WINDOW, tokens, part) for part in slices]
    assert same(whole, jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts))


@pytest.mark.parametrize("threads", [0, 1, 2, 3])
def test_batches_do_not_depend_on_the_number_of_threads(index, threads):
    loaded = prefetched(lambda step: load_batch(index, 0, step, 2, WINDOW, tokens), 3, 9, threads, ahead=2)
    for step, batch in enumerate(loaded, start=3):
        assert same(batch, load_batch(index, 0, step, 2, WINDOW, tokens))
    assert step == 8


def test_a_window_and_its_camera_show_the_same_part_of_the_picture(index):
    whole = load_pair(index, pair_at(index, 0, 1), SIZE, tokens)
    windows = {}
    for shift in ((0.0, 0.0), (9.0, 9.0), (-9.0, 9.0)):
        pair = pair_at(index, 0, 1)._replace(window_shift=shift)
        part = load_pair(index, pair, WINDOW, tokens)
        in_whole, _ = world_to_pixels(on_device(whole.target_camera), jnp.asarray(POINTS))
        in_part, _ = world_to_pixels(on_device(part.target_camera), jnp.asarray(POINTS))
        left, top = np.unique(np.round(in_whole - in_part).astype(int), axis=0)[0]
        np.testing.assert_array_equal(part.target_image, whole.target_image[top : top + WINDOW, left : left + WINDOW])
        np.testing.assert_array_equal(part.target_matte, whole.target_matte[top : top + WINDOW, left : left + WINDOW])
        assert same(part.target_camera.world_to_camera, whole.target_camera.world_to_camera)
        windows[shift] = (int(top), int(left))
    centre, _ = world_to_pixels(on_device(whole.target_camera), jnp.zeros((1, 3)))
    assert windows[0.0, 0.0] == window_corner(np.asarray(centre[0]), (0.0, 0.0), SIZE, WINDOW)
    assert windows[9.0, 9.0] == (SIZE - WINDOW, SIZE - WINDOW)
    assert windows[-9.0, 9.0] == (0, SIZE - WINDOW)


def test_a_window_as_large_as_the_picture_is_the_picture(index):
    pair = pair_at(index, 0, 2)
    whole = load_pair(index, pair, SIZE, tokens)
    frame = load_clip(index.folder(pair.clip), [pair.target])
    np.testing.assert_array_equal(whole.target_image, frame.images[0].astype(np.float32) / 255)
    assert same(whole.target_camera.intrinsics, frame.camera.intrinsics[0])


def test_windows_lie_around_the_head_and_reach_the_border():
    rng = np.random.default_rng(0)
    head = np.array([300.0, 200.0])
    corners = np.array([window_corner(head, tuple(rng.standard_normal(2)), 512, 256) for _ in range(2000)])
    assert corners.min() == 0 and corners.max() == 256
    # The middle half of the windows holds the head's centre well inside.
    assert np.all(np.abs(np.median(corners, axis=0) + 128 - head[::-1]) < 16)


def test_black_stays_black_around_the_matte(tmp_path):
    clip = marked_clip(0, 2)
    mattes = np.zeros_like(clip.mattes)
    mattes[:, :20, :37] = 255
    clip = clip._replace(mattes=mattes, images=clip.images * (mattes > 0)[..., None])
    save_clip(tmp_path / "clip", clip)
    index = write_index(tmp_path, "a head", "its hash")
    pair = load_pair(index, pair_at(index, 0, 0), SIZE, tokens)
    for image, matte in ((pair.source_image, pair.source_matte), (pair.target_image, pair.target_matte)):
        assert not image[matte == 0].any() and image[matte > 0].any()


def test_a_failure_in_a_thread_reaches_the_reader():
    def load(step: int) -> int:
        if step == 2:
            raise ValueError("frame 2 is damaged")
        return step

    reader = prefetched(load, 0, 5, 2)
    with pytest.raises(ValueError, match="frame 2"):
        list(reader)


def test_leaving_early_stops_the_threads():
    reader = prefetched(lambda step: step, 0, 10**9, 2)
    assert next(reader) == 0
    reader.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("omg-loader")]


def test_a_dataset_that_does_not_fit_is_refused(index):
    check_pairs(index, SIZE, WINDOW)
    with pytest.raises(ValueError, match="64 x 64 pixels, expected 128 x 128"):
        check_pairs(index, 128, WINDOW)
    with pytest.raises(ValueError, match="--train.window"):
        check_pairs(index, SIZE, SIZE + 1)
    with pytest.raises(ValueError, match="clip_1 has fewer"):
        check_pairs(index._replace(num_frames=(2, 1, 5)), SIZE, WINDOW)
