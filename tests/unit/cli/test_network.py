"""Loading a trained network."""

import pytest

from omg_jax.cli import network
from omg_jax.cli.network import load_network
from omg_jax.head.load import load_head


def test_a_head_that_cannot_be_tracked_is_refused_for_photos(monkeypatch):
    head = load_head("arkit")
    bare = head._replace(name="flame", model=head.model._replace(landmark_faces=head.model.landmark_faces[:0]))
    monkeypatch.setattr(network, "load_head", lambda spec: bare)
    with pytest.raises(ValueError, match="'flame' has 0 landmarks"):
        load_network("small", None, "flame:head.pkl")
