"""The benchmark's scenes: what is in them, and that the camera sees it."""

import numpy as np
import pytest

from omg_jax.benchmarks.scenes import OPACITIES, SCENES, Case, build_case, head_surface, shoulders
from omg_jax.head.load import load_head
from omg_jax.splat import rasterize
from tests.tolerances import SCENE_IN_VIEW


def test_levels_of_the_avatar_are_nested_and_stand_on_the_same_shoulders():
    template = np.asarray(load_head("arkit").model.template)
    counts = [len(SCENES[f"avatar-{level}"]().means) for level in range(3)]
    vertices = [head_surface(level)[0] for level in range(3)]
    np.testing.assert_array_equal(vertices[0], template)
    for coarse, fine in zip(vertices, vertices[1:], strict=False):
        np.testing.assert_array_equal(fine[: len(coarse)], coarse)
    assert counts == [len(shoulders().means) + len(v) for v in vertices]
    spacings = [np.median(head_surface(level)[1]) for level in range(3)]
    assert spacings[0] > spacings[1] > spacings[2]


@pytest.mark.parametrize("scene", SCENES)
def test_nearly_every_gaussian_is_seen(scene):
    """In the first view; the last view of a batch is another one, of the same Gaussians."""
    gaussians, camera = build_case(Case(scene, size=96, channels=2, batch=2))
    output = rasterize(gaussians, camera, (96, 96))
    count = gaussians.means.shape[1]
    assert gaussians.features.shape == (2, count, 2)
    assert output.stats.num_visible[0] > SCENE_IN_VIEW * count
    assert float(gaussians.opacities.max()) <= OPACITIES[1]
    assert np.abs(np.asarray(output.features[0] - output.features[1])).mean() > 0
    np.testing.assert_array_equal(gaussians.means[0], gaussians.means[1])


def test_the_same_case_is_the_same_gaussians():
    first, second = (build_case(Case("cloud", 32, 4))[0] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("case", "said"), [(Case("teapot"), "no scene 'teapot'; expected one of avatar"), (Case("cloud", 0), "at least 1")]
)
def test_cases_that_are_none(case, said):
    with pytest.raises(ValueError, match=said):
        build_case(case)
