"""bfloat16 reaches the trunks and nothing else; on a CPU there is none. What is float32 is multiplied in full."""

import dataclasses
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.extend.core import jaxprs_in_params

from omg_jax.config import UNetConfig
from omg_jax.configs import load_preset
from omg_jax.head.load import load_head
from omg_jax.head.model import zero_params
from omg_jax.models.dinov2 import DINOV2_SMALL, NUM_TAPS, DinoV2
from omg_jax.models.omg import Source, build_model
from omg_jax.models.precision import compute_dtype, compute_in, round_weights
from omg_jax.models.state import merge_model, split_shapes
from omg_jax.models.style_unet import StyleUNet
from omg_jax.models.unet import UNetRefiner
from omg_jax.types import Camera
from tests.tolerances import EXACT

TRUNKS_SHARE = 0.95  # of all products: matrices of images, camera and head are what is left
PRODUCTS = ("dot_general", "conv_general_dilated")


def equations(jaxpr):
    """All equations of a jaxpr, at any depth."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jaxprs_in_params(equation.params):
            yield from equations(inner)


def products_by_dtype(jaxpr) -> Counter:
    """Multiplications of matrix products and convolutions, by the dtype of what is multiplied."""
    counts = Counter()
    for equation in equations(jaxpr):
        if equation.primitive.name in PRODUCTS:
            left, right = (variable.aval for variable in equation.invars)
            assert left.dtype == right.dtype
            out = equation.outvars[0].aval
            if equation.primitive.name == "dot_general":
                (contracted, _), _ = equation.params["dimension_numbers"]
                terms = np.prod([left.shape[axis] for axis in contracted])
            else:
                terms = right.size / right.shape[equation.params["dimension_numbers"].rhs_spec[0]]
            counts[str(left.dtype)] += out.size * float(terms)
    return counts


def assert_full_products(jaxpr) -> None:
    """Every product of float32 arrays asks for all of their bits: the default is TF32 on a GPU."""
    highest = jax.lax.Precision.HIGHEST
    for equation in equations(jaxpr):
        if equation.primitive.name in PRODUCTS and equation.invars[0].aval.dtype == jnp.float32:
            assert equation.params["precision"] in (highest, (highest, highest)), str(equation)


def trace(preset: str, precision: str):
    """(jaxpr, output dtypes) of building an avatar and playing a frame, without computing anything."""
    config, head = load_preset(preset).model, load_head("arkit").model
    dtype = compute_dtype(precision)
    graphdef, shapes, constants = split_shapes(lambda: build_model(config, head, seed=0, dtype=dtype))
    size, tokens = config.image_size, (config.backbone_size // 14) ** 2
    channels = shapes["transformer"]["memory_projection"]["kernel"].shape[0]

    def shaped(*shape):
        return jax.ShapeDtypeStruct((1, *shape), jnp.float32)

    camera = Camera(shaped(4, 4), shaped(3, 3))
    taps = tuple(jax.ShapeDtypeStruct((1, tokens, channels), dtype) for _ in range(4))
    source = Source(shaped(size, size, 3), shaped(size, size), taps, zero_params(head, (1,)), camera)

    def whole(params, source):
        model = merge_model(graphdef, params, constants)
        built = model.build(source, (0, 2))
        gaussians = model.pose(built, source.params.shape_params, source.params, 2)
        return gaussians, built.vertex_offsets, model.render(gaussians, built.photo, source.camera, (size, size))[:2]

    traced = jax.jit(whole).trace(shapes, source)
    return traced.jaxpr.jaxpr, {leaf.dtype for leaf in jax.tree.leaves(traced.out_info)}


def test_forced_bfloat16_does_the_trunks_and_gives_float32():
    jaxpr, dtypes = trace("paper", "bfloat16")
    products = products_by_dtype(jaxpr)
    assert set(products) == {"bfloat16", "float32"}
    assert products["bfloat16"] > TRUNKS_SHARE * products.total()
    assert_full_products(jaxpr)
    assert dtypes == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_a_cpu_computes_in_float32(precision):
    jaxpr, dtypes = trace("tiny", precision)
    assert set(products_by_dtype(jaxpr)) == {"float32"}
    assert_full_products(jaxpr)
    assert not any(v.aval.dtype == jnp.bfloat16 for e in equations(jaxpr) for v in e.outvars)
    assert dtypes == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_start_and_the_backbone_multiply_in_full(precision):
    config, head, dtype = load_preset("tiny").model, load_head("arkit").model, compute_dtype(precision)
    graphdef, shapes, constants = split_shapes(lambda: build_model(config, head, seed=0, dtype=dtype))
    start = jax.jit(lambda params: merge_model(graphdef, params, constants).start()).trace(shapes)
    assert_full_products(start.jaxpr.jaxpr)
    image = jax.ShapeDtypeStruct((1, 28, 28, 3), jnp.float32)
    shallow = dataclasses.replace(DINOV2_SMALL, depth=NUM_TAPS)
    backbone = jax.jit(lambda x: DinoV2(shallow, nnx.Rngs(0), dtype)(x)).trace(image)
    assert_full_products(backbone.jaxpr.jaxpr)


class Refined(nnx.Module):
    """A refiner where a network has it."""

    def __init__(self, refiner: nnx.Module):
        self.refiner = refiner
        compute_in(self, jnp.bfloat16)


def light(rngs: nnx.Rngs) -> UNetRefiner:
    refiner = UNetRefiner(5, UNetConfig(widths=(4, 6)), rngs=rngs)
    refiner.last.kernel[...] += 0.1  # zero at the start
    return refiner


def styled(rngs: nnx.Rngs) -> StyleUNet:
    return StyleUNet(5, widths=(8, 6), style=16, rngs=rngs)


@pytest.mark.parametrize(
    ("make", "picture_channels", "pictures"),
    [(light, 4 * 3, 1), (styled, 3, 2)],  # four pixels of the picture at a time; a share of it per resolution
)
def test_a_refiner_s_picture_is_float32(make, picture_channels, pictures):
    features = jax.ShapeDtypeStruct((1, 8, 8, 5), jnp.float32)
    traced = jax.jit(lambda x: Refined(make(nnx.Rngs(0))).refiner(x)).trace(features)
    convolutions = [e for e in equations(traced.jaxpr.jaxpr) if e.primitive.name == "conv_general_dilated"]
    last = [e.outvars[0].aval.dtype for e in convolutions if e.outvars[0].aval.shape[-1] == picture_channels]
    rest = [e.outvars[0].aval.dtype for e in convolutions if e.outvars[0].aval.shape[-1] != picture_channels]
    assert last == [jnp.float32] * pictures
    assert set(rest) == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize("make", [light, styled])
def test_weights_that_are_rounded_once_give_the_same_picture(make):
    model = Refined(make(nnx.Rngs(0)))
    features = jax.random.uniform(jax.random.key(1), (1, 8, 8, 5))
    before = model.refiner(features)
    round_weights(model)
    assert model.refiner.first.kernel[...].dtype == jnp.bfloat16
    np.testing.assert_allclose(model.refiner(features), before, **EXACT)


def test_the_backbone_computes_in_the_asked_dtype():
    image = jax.ShapeDtypeStruct((1, 28, 28, 3), jnp.float32)
    taps = jax.eval_shape(lambda x: DinoV2(DINOV2_SMALL, nnx.Rngs(0), jnp.bfloat16)(x), image)
    assert {tap.dtype for tap in taps} == {jnp.dtype(jnp.bfloat16)}
