"""A model's options survive JSON; options that are unknown or of another type are refused by name."""

import json

import pytest

from omg_jax.config import ModelConfig
from omg_jax.config_json import model_config_from_json, model_config_to_json
from omg_jax.configs import load_preset, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_survives_json(name):
    config = load_preset(name).model
    assert model_config_from_json(json.loads(json.dumps(model_config_to_json(config)))) == config


def test_options_that_were_unknown_take_their_defaults():
    fields = model_config_to_json(load_preset("small").model)
    del fields["token_scale"]
    assert model_config_from_json(fields).token_scale == ModelConfig().token_scale


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "model.colour is no option"),
        ({"width": "64"}, "model.width: expected int, got '64'"),
        ({"width": True}, "model.width: expected int, got True"),
        ({"compat": "other"}, "model.compat.*'other'"),
        ({"refiner": {"widths": [8, "x"]}}, "model.refiner.widths"),
        ({"pyramid_channels": 8}, "model.pyramid_channels"),
        ({"pyramid_channels": [8, 8, 8]}, "model.pyramid_channels"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        model_config_from_json(model_config_to_json(ModelConfig()) | change)


def test_no_object_is_refused():
    with pytest.raises(ValueError, match="model: expected ModelConfig, got None"):
        model_config_from_json(None)
