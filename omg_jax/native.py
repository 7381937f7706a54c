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
        raise ImportError(f"omg_jax's native kernels cannot be loaded ({error}). Build them: {BUILD_COMMAND}") from error
    for platform, handlers in _native.handlers().items():
        for name, capsule in handlers.items():
            jax.ffi.register_ffi_target(name, capsule, platform=platform)
    return _native


def call(target: str, results: tuple[jax.ShapeDtypeStruct, ...], *operands, **attributes):
    """Calls a registered handler; returns its results as a tuple.

    Under vmap the handler is called once, with leading batch dimensions; operands that are not mapped get size 1 there. Inside shard_map,
    pass the operands through ``vary_together`` first (outside of any custom derivative): the results vary over the same mesh axes as they.

    Args:
        attributes: NumPy scalars of the type that the handler declares. A Python number is refused by XLA, or worse, accepted by accident.
    """
    load()
    varying = jax.typeof(operands[0]).manual_axis_type
    if varying.varying:
        sharding = jax.typeof(operands[0]).sharding
        results = tuple(
            jax.ShapeDtypeStruct(
                r.shape,
                r.dtype,
                manual_axis_type=varying,
                sharding=jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec(*[None] * len(r.shape))),
            )
            for r in results
        )
    return tuple(jax.ffi.ffi_call(target, results, vmap_method="expand_dims")(*operands, **attributes))


def vary_together(tree):
    """Marks all arrays of a tree as varying over the union of the mesh axes that any of them varies over; a no-op outside shard_map."""
    varying = [jax.typeof(leaf).manual_axis_type.varying for leaf in jax.tree.leaves(tree)]
    union = frozenset().union(*varying)
    return jax.tree.map(lambda leaf: _pcast(leaf, union - jax.typeof(leaf).manual_axis_type.varying), tree)


def _pcast(array, axes):
    return jax.lax.pcast(array, tuple(sorted(axes)), to="varying") if axes else array
