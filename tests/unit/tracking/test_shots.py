"""Cuts between shots."""

import numpy as np
import pytest

from omg_jax.tracking.shots import SHORTEST_SHOT, find_shots

SIZE = (90, 120, 3)
KITCHEN, STREET = (
    np.random.default_rng(seed).integers(0, 255, (9, 12, 3)).repeat(10, 0).repeat(10, 1) for seed in (1, 2)
)


def shots_of(*pictures: np.ndarray) -> list[tuple[int, int]]:
    return [tuple(shot) for shot in find_shots(iter([picture.astype(np.uint8) for picture in pictures]))]


def test_another_scene_is_another_shot():
    assert shots_of(*[KITCHEN] * 20, *[STREET] * 8, *[KITCHEN] * 9) == [(0, 20), (20, 28), (28, 37)]


@pytest.mark.parametrize("between", [np.zeros(SIZE), np.full(SIZE, 255), STREET])
@pytest.mark.parametrize("length", [1, SHORTEST_SHOT - 1])
def test_a_flash_is_no_shot(between, length):
    assert shots_of(*[KITCHEN] * 12, *[between] * length, *[KITCHEN] * 12) == [(0, 24 + length)]


def test_a_flash_between_two_scenes_belongs_to_the_first():
    assert shots_of(*[KITCHEN] * 10, *[np.zeros(SIZE)] * 3, *[STREET] * 10) == [(0, 13), (13, 23)]


def test_exposure_and_motion_are_no_cuts():
    brighter = KITCHEN * 0.8 + 50
    moving = [np.roll(KITCHEN, 12 * index, axis=1) for index in range(20)]
    assert shots_of(*[KITCHEN * 0.8] * 10, *[brighter] * 10) == [(0, 20)]
    assert shots_of(*moving) == [(0, 20)]


def test_short_and_empty_videos():
    assert shots_of(KITCHEN, np.zeros(SIZE), STREET) == [(0, 3)]
    assert shots_of() == []
