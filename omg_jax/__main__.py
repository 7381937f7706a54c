"""``python -m omg_jax`` is ``omg``."""

from omg_jax.cli.main import main

main()
