"""The native library: loads the extension module and registers its XLA FFI handlers, once.

Only ``splat`` and ``geometry.visibility`` call this.
"""

import functools

import jax

BUILD_COMMAND = "pip install -e . (or: python setup.py build_ext --inplace)"


@functools.cache
def load():
    """Imports the extension module and registers every handler it holds; returns the module.

    Raises:
        ImportError: the extension is not built; the message names the build command. There is never a silent fallback.
    """
    try:
        from omg_jax import _native
    except ImportError as error:
        message = f"omg_jax's native kernels cannot be loaded ({error}). Build them: {BUILD_COMMAND}"
        raise ImportError(message) from error
    for platform, handlers in _native.handlers().items():
        for name, capsule in handlers.items():
            jax.ffi.register_ffi_target(name, capsule, platform=platform)
    return _native


def call(target: str, results: tuple[jax.ShapeDtypeStruct, ...], *operands, **attributes):
    """Calls a registered handler; returns its results as a tuple.

    Under vmap the handler is called once, with leading batch dimensions; operands that are not mapped get size 1 there.
    Inside shard_map, pass the operands through ``vary_together`` first (outside of any custom derivative): the results
    vary over the same mesh axes as they.

    Args:
        attributes: NumPy scalars of the types that the handler declares. XLA refuses a Python number, or, where an
            equal NumPy scalar came before, accepts it by accident.
    """
    load()
    first = jax.typeof(operands[0])
    if first.manual_axis_type.varying:
        results = tuple(_varying_like(first, result) for result in results)
    return tuple(jax.ffi.ffi_call(target, results, vmap_method="expand_dims")(*operands, **attributes))


def vary_together(tree):
    """Marks all arrays of a tree as varying over every mesh axis that any of them varies over.

    Changes nothing outside shard_map.
    """
    axes = [jax.typeof(leaf).manual_axis_type.varying for leaf in jax.tree.leaves(tree)]
    union = frozenset().union(*axes)
    return jax.tree.map(lambda leaf: _mark_varying(leaf, union - jax.typeof(leaf).manual_axis_type.varying), tree)


def _mark_varying(array, axes):
    return jax.lax.pcast(array, tuple(sorted(axes)), to="varying") if axes else array


def _varying_like(operand, result: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    spec = jax.sharding.PartitionSpec(*[None] * len(result.shape))
    sharding = jax.sharding.NamedSharding(operand.sharding.mesh, spec)
    return jax.ShapeDtypeStruct(
        result.shape, result.dtype, manual_axis_type=operand.manual_axis_type, sharding=sharding
    )
