"""Augmented pairs: one light for both frames, pixels that go with the camera, nothing but (seed, sample) decides."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from omg_jax.config import AugmentConfig
from omg_jax.data.augment import Change, change_at, make_augmentation, shape_spread
from omg_jax.data.clips import Clip, save_clip, write_index
from omg_jax.data.pairs import Pair, load_batch, load_pair, pair_at, prefetched
from omg_jax.head.flame import WORLD_UNITS_PER_METRE
from omg_jax.head.load import load_head
from omg_jax.head.mirror import FLIP
from omg_jax.head.model import head_vertices, zero_params
from omg_jax.training.tokens import TokenCache
from omg_jax.types import Camera, HeadParams
from tests.tolerances import JPEG_DOT_CENTRES
from tests.unit.data.dots import apart, dotted, found_near, pixels_of, portrait_camera
from tests.unit.data.marked_clips import same, tokens

SIZE, WINDOW, NUM_FRAMES = 192, 160, 3
ALL = AugmentConfig(share=1.0, rim=1.0, occluder=1.0, jpeg=1.0)
STILL = dict(mirror=0.0, source_roll=0.0, target_roll=0.0, source_zoom=1.0, target_zoom=1.0)
CLEAN = dict(rim=0.0, occluder=0.0, jpeg=0.0, noise=0.0)
SAME_COLOURS = dict(exposure=0.0, white_balance=0.0, gamma=0.0, saturation=0.0)


@pytest.fixture(scope="module")
def head():
    return load_head("arkit")


def clip_of(head, images: np.ndarray, mattes: np.ndarray, camera: Camera) -> Clip:
    count = len(images)
    params = HeadParams(*(np.asarray(field) for field in zero_params(head.model, (count,))))
    return Clip(images, mattes, params, Camera(*(np.repeat(field[None], count, axis=0) for field in camera)))


@pytest.fixture(scope="module")
def people(head, tmp_path_factory):
    """Two clips of a colourful ball on black, which stands still: all frames of a clip are alike."""
    root = tmp_path_factory.mktemp("people")
    rows, columns = np.mgrid[:SIZE, :SIZE]
    matte = (255 * np.clip(60.5 - np.hypot(rows - SIZE / 2, columns - SIZE / 2), 0, 1)).astype(np.uint8)
    for number in range(2):
        colours = np.random.default_rng(number).integers(60, 200, (6, 6, 3)).repeat(32, axis=0).repeat(32, axis=1)
        image = (colours * (matte / 255)[..., None]).astype(np.uint8)
        clip = clip_of(head, np.stack([image] * NUM_FRAMES), np.stack([matte] * NUM_FRAMES), front())
        save_clip(root / f"clip_{number}", clip)
    return write_index(root, head.name, head.sha256)


def front() -> Camera:
    return portrait_camera(SIZE, np.eye(3))


def batch(index, head, options: AugmentConfig, step: int, window: int = WINDOW, load_tokens=tokens, part=slice(None)):
    return load_batch(index, 0, step, 4, window, load_tokens, part, make_augmentation(options, head))


def test_nothing_changes_where_nothing_is_asked_for(people, head):
    assert make_augmentation(AugmentConfig(), head) is None
    plain = load_batch(people, 0, 2, 4, WINDOW, tokens)
    assert same(batch(people, head, AugmentConfig(), 2), plain)
    half, looks = dataclasses.replace(ALL, share=0.5), []
    for step in range(30):
        changed, plain = batch(people, head, half, step), load_batch(people, 0, step, 4, WINDOW, tokens)
        looks += changed.source_tokens[0][:, 0, 3].astype(int).tolist()
        for row, look in enumerate(looks[-4:]):
            ours, theirs = (jax.tree.map(lambda leaf, row=row: leaf[row], it) for it in (changed, plain))
            assert same(ours, theirs) == (look == 0)
    assert set(looks) == set(range(half.variants + 1)) and 0.3 < np.mean(np.array(looks) > 0) < 0.7


def test_a_pair_is_a_function_of_seed_and_sample(people, head):
    first = batch(people, head, ALL, 5)
    assert same(first, batch(people, head, ALL, 5))
    assert not same(first, batch(people, head, ALL, 6))
    other = load_batch(people, 1, 5, 4, WINDOW, tokens, augmentation=make_augmentation(ALL, head))
    assert not same(first.source_image, other.source_image)


@pytest.mark.parametrize("hosts", [1, 2, 4])
@pytest.mark.parametrize("threads", [0, 2])
def test_pairs_do_not_depend_on_hosts_and_threads(people, head, hosts, threads):
    share = 4 // hosts
    for host in range(hosts):
        part = slice(host * share, (host + 1) * share)
        loaded = prefetched(lambda step, part=part: batch(people, head, ALL, step, part=part), 0, 3, threads)
        for step, ours in enumerate(loaded):
            assert same(ours, jax.tree.map(lambda leaf, part=part: leaf[part], batch(people, head, ALL, step)))


def test_a_look_of_a_frame_is_one_picture(people, head):
    """Or else tokens that are kept would not be those of the picture."""
    augmentation, pictures = make_augmentation(ALL, head), {}
    for sample in range(120):
        pair = pair_at(people, 0, sample)
        change = change_at(augmentation, 0, sample, pair.clip, pair.source)
        source = load_pair(people, pair, WINDOW, tokens, change)[:5]
        assert same(source, pictures.setdefault((pair.clip, pair.source, change.look), source))
    assert len(pictures) == 2 * NUM_FRAMES * ALL.variants


def test_kept_tokens_are_those_of_the_picture(people, head):
    cache = TokenCache(lambda images: (images.reshape(1, -1, 3),), capacity_mb=64)
    for step in range(8):
        found = batch(people, head, ALL, step, load_tokens=cache)
        expected = found.source_image.reshape(4, -1, 3).astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(found.source_tokens[0], expected)


def test_source_and_target_have_the_same_colours(people, head):
    options = AugmentConfig(share=1.0, **STILL, **CLEAN)
    changed, plain = batch(people, head, options, 0, SIZE), load_batch(people, 0, 0, 4, SIZE, tokens)
    np.testing.assert_array_equal(changed.source_image, changed.target_image)
    np.testing.assert_array_equal(changed.source_matte, plain.source_matte)
    for before, after in zip(plain.source_image, changed.source_image, strict=True):
        assert np.abs(after - before).max() > 0.02
        assert not after[before.max(axis=-1) == 0].any()


def test_the_target_is_spared_what_befalls_the_source(people, head):
    clean, dirty = AugmentConfig(share=1.0, **CLEAN), dataclasses.replace(ALL)
    for step in range(3):
        ours, theirs = batch(people, head, clean, step), batch(people, head, dirty, step)
        assert same(ours[5:], theirs[5:])
        assert same(ours.source_camera, theirs.source_camera) and same(ours.source_params, theirs.source_params)
        for row in range(4):
            assert not same(ours.source_image[row], theirs.source_image[row])


@pytest.mark.parametrize("name", ["rim", "occluder", "jpeg", "noise"])
def test_every_kind_of_damage_shows(people, head, name):
    options = AugmentConfig(share=1.0, **STILL, **SAME_COLOURS, **CLEAN)
    damaged = dataclasses.replace(options, **{name: 1.0})
    plain = load_batch(people, 0, 0, 4, SIZE, tokens)
    assert same(batch(people, head, options, 0, SIZE)[:2], plain[:2])
    found = batch(people, head, damaged, 0, SIZE)
    changed = np.abs(found.source_image - plain.source_image).max(axis=-1) > 2 / 255
    inside = (plain.source_matte > 0.99) & (found.source_matte > 0.99)
    for row in range(4):
        assert changed[row].any()
        if name in ("jpeg", "noise"):
            np.testing.assert_array_equal(found.source_matte[row], plain.source_matte[row])
        if name == "rim":
            assert not same(found.source_matte[row], plain.source_matte[row])
            assert not changed[row, inside[row]].any()


def test_mattes_and_pictures_stay_in_range_and_black_stays_black(people, head):
    for step in range(6):
        found = batch(people, head, ALL, step)
        for image, matte in ((found.source_image, found.source_matte), (found.target_image, found.target_matte)):
            assert image.dtype == matte.dtype == np.float32
            for values in (image, matte):
                assert values.min() >= 0 and values.max() <= 1
            assert not image[matte == 0].any() and image[matte > 0].any()


@pytest.fixture(scope="module")
def dots(head, tmp_path_factory):
    """A clip whose frames show dots at some vertices of the head, and those vertices."""
    size, turn = 256, np.array([[0.96, 0.0, 0.28], [0.0, 1.0, 0.0], [-0.28, 0.0, 0.96]])
    camera = portrait_camera(size, turn)
    vertices = np.asarray(head_vertices(head.model, zero_params(head.model)))
    places = pixels_of(camera, vertices[head.regions["skin"]])
    chosen = head.regions["skin"][apart(places, size, 16)]
    picture = dotted(pixels_of(camera, vertices[chosen]), size)
    clip = clip_of(head, np.stack([picture] * 2), np.full((2, size, size), 255, np.uint8), camera)
    root = tmp_path_factory.mktemp("dots")
    save_clip(root / "clip", clip)
    return write_index(root, head.name, head.sha256), chosen


@pytest.mark.parametrize("mirror", [0.0, 1.0])
@pytest.mark.parametrize("sample", range(4))
def test_vertices_of_the_head_stay_on_their_pixels(dots, head, mirror, sample):
    index, chosen = dots
    augmentation = make_augmentation(AugmentConfig(share=1.0, mirror=mirror, **CLEAN), head)
    found = load_pair(index, Pair(0, 0, 1, (0.3, -0.4)), 224, tokens, change_at(augmentation, 0, sample, 0, 0))
    for image, camera, params in (
        (found.source_image, found.source_camera, found.source_params),
        (found.target_image, found.target_camera, found.target_params),
    ):
        vertices = np.asarray(head_vertices(head.model, jax.tree.map(jnp.asarray, params)))[chosen]
        places = pixels_of(camera, vertices * FLIP if mirror else vertices)
        seen, centres = found_near(image, places)
        assert len(seen) >= 8
        np.testing.assert_allclose(centres, places[seen], **JPEG_DOT_CENTRES)
    assert not same(found.source_camera, found.target_camera)


def test_an_error_of_the_shape_is_what_landmarks_leave_open(people, head):
    """Pictures stay, both frames have one shape, and ears are off by more than lips."""
    options = AugmentConfig(share=1.0, mirror=0.0, shape_error=4.0, **CLEAN)
    wrong, right = (batch(people, head, dataclasses.replace(options, shape_error=error), 0) for error in (4.0, 0.0))
    np.testing.assert_array_equal(wrong.source_image, right.source_image)
    np.testing.assert_array_equal(wrong.target_image, right.target_image)
    errors = wrong.source_params.shape_params - right.source_params.shape_params
    np.testing.assert_allclose(
        errors, wrong.target_params.shape_params - right.target_params.shape_params, atol=1e-6
    )
    assert len(np.unique(errors[:, 0])) == 4

    drawn = np.random.default_rng(0).standard_normal((200, errors.shape[1])) @ shape_spread(head, 4.0).T
    params = zero_params(head.model, (200,))
    moved = head_vertices(head.model, params._replace(shape_params=jnp.asarray(drawn, jnp.float32)))
    still = head_vertices(head.model, zero_params(head.model))
    ways = np.linalg.norm(moved - still, axis=-1).mean(axis=0) * 1000.0 / WORLD_UNITS_PER_METRE
    face = np.unique(np.asarray(head.model.faces)[np.asarray(head.model.landmark_faces)])
    assert 1.0 < ways[face].mean() < 4.0
    assert ways[head.regions["ears"]].mean() > 1.5 * ways[head.regions["lips"]].mean()


def test_an_error_of_the_shape_needs_landmarks(head):
    bare = head._replace(model=head.model._replace(landmark_faces=jnp.zeros(0, jnp.int32)))
    with pytest.raises(ValueError, match="shape_error needs a head with landmarks"):
        make_augmentation(AugmentConfig(share=1.0, shape_error=1.0), bare)


def test_a_head_without_a_mirror_image_is_not_mirrored(people, head):
    augmentation = make_augmentation(dataclasses.replace(ALL, mirror=1.0), head)
    turned = [
        load_pair(people, pair_at(people, 0, 0), WINDOW, tokens, Change(which, 1, (1,), (2,), (3,)))
        for which in (augmentation, augmentation._replace(mirrored_units=None))
    ]
    assert not same(turned[0].target_image, turned[1].target_image)
    kept = dataclasses.replace(ALL, mirror=0.0)
    plain = load_pair(
        people, pair_at(people, 0, 0), WINDOW, tokens, Change(make_augmentation(kept, head), 1, (1,), (2,), (3,))
    )
    assert same(turned[1], plain)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 1.5}, "train.augment.share is a share: expected 0 to 1, got 1.5"),
        ({"noise": -0.1}, "train.augment.noise"),
        ({"source_roll": 90.0}, "train.augment.source_roll is degrees"),
        ({"target_zoom": 0.9}, "train.augment.target_zoom is a factor: expected 1 to 4"),
        ({"variants": 0}, "train.augment.variants"),
    ],
)
def test_options_out_of_range_are_refused(head, change, message):
    with pytest.raises(ValueError, match=message):
        make_augmentation(dataclasses.replace(AugmentConfig(), **change), head)
