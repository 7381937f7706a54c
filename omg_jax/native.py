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
