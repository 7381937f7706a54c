"""The avatar that stands in for a photo's."""

from omg_jax.avatar import Network
from omg_jax.avatar_file import load_avatar, save_avatar
from omg_jax.benchmarks.avatar import stand_in_avatar
from omg_jax.benchmarks.scenes import SCENES
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head


def test_the_stand_in_is_an_avatar(tmp_path):
    network = Network(load_preset("small"), load_head("arkit"), None, None, "0" * 64)
    save_avatar(tmp_path / "stand_in.omg", stand_in_avatar(network))
    avatar = load_avatar(tmp_path / "stand_in.omg")  # which checks its arrays against each other
    for level, head in enumerate(avatar.levels):
        present = len(head.opacities) + (avatar.plane.opacities > 0).sum()
        assert present == len(SCENES[f"avatar-{level}"]().means)
    assert len(avatar.plane.opacities) == network.config.model.plane.capacity
