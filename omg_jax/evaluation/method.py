"""A method: what draws the pictures that are measured, and what tells it from others."""

import re
from collections.abc import Callable
from typing import NamedTuple

from omg_jax.evaluation.pair import RenderPair


def reads_no_files(pair_name: str) -> str:
    """The digest of a method that draws its pictures itself."""
    return ""


class Method(NamedTuple):
    """A method.

    facts go into the results: "kind" is network, baseline or pictures; a network's have its weights_sha256. digest of
    a pair's name is the sha256 of the files that the pair's pictures are read from: where they change, the pair is
    measured again.
    """

    render: RenderPair
    facts: dict[str, str]
    digest: Callable[[str], str] = reads_no_files


def slug(name: str) -> str:
    """A method's name in files: "level 2, coarse" -> "level-2-coarse". ValueError where nothing would be left."""
    safe = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not safe:
        raise ValueError(f"a method's name needs a letter or a digit, got {name!r}")
    return safe
