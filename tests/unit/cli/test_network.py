"""Loading a trained network."""

import pytest

from omg_jax.cli import network
from omg_jax.cli.network import backbone_path, load_network
from omg_jax.head.load import load_head


def test_a_head_that_cannot_be_tracked_is_refused_for_photos(monkeypatch):
    head = load_head("arkit")
    bare = head._replace(name="flame", landmark_ids=head.landmark_ids[:0])
    monkeypatch.setattr(network, "load_head", lambda spec: bare)
    with pytest.raises(ValueError, match="'flame' has 0 landmarks"):
        load_network("small", None, "flame:head.pkl")


def test_a_backbone_that_is_no_asset_is_the_user_s_own(monkeypatch, tmp_path):
    monkeypatch.delenv("OMG_ASSET_DINOV2_BASE", raising=False)
    with pytest.raises(ValueError, match="omg convert dinov2 .* OMG_ASSET_DINOV2_BASE"):
        backbone_path("dinov2-base")
    monkeypatch.setenv("OMG_ASSET_DINOV2_BASE", str(tmp_path / "mine.safetensors"))
    assert backbone_path("dinov2-base") == tmp_path / "mine.safetensors"
