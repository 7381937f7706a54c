"""Set-up that every test shares."""

from jaxtyping import install_import_hook

# Before any test imports the package: shapes and types in its signatures are checked on every call.
install_import_hook("omg_jax", "beartype.beartype")
