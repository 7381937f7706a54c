"""What tests of the running part share: the built-in head, and small clips on disk."""

from pathlib import Path

import pytest

from omg_jax.head.load import Head, load_head
from tests.unit.evaluation.small_clips import write_small_clips


@pytest.fixture(scope="session")
def head() -> Head:
    return load_head("arkit")


@pytest.fixture(scope="session")
def clips(head, tmp_path_factory) -> Path:
    """A folder of small clips; tests do not write into it."""
    return write_small_clips(tmp_path_factory.mktemp("clips"), head)
