"""What ``omg doctor`` asks for is what the package says it needs."""

import re
import tomllib
from pathlib import Path

import pytest

from omg_jax.cli import doctor
from omg_jax.cli.doctor import OPTIONAL, REQUIRED
from omg_jax.cli.main import main

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", requirement).group() for requirement in requirements}


def test_the_packages_are_those_of_the_project_file():
    extras = PROJECT["optional-dependencies"]
    assert set(REQUIRED) == names(PROJECT["dependencies"]) | {"jaxlib"}
    assert set(OPTIONAL) == {name for extra in extras.keys() - {"test"} for name in names(extras[extra])}


def test_a_missing_package_is_a_problem_and_exit_2(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "version", lambda package: None if package == "optax" else "1.0")
    with pytest.raises(SystemExit) as ending:
        main(["doctor"])
    assert ending.value.code == 2
    assert "problems: optax is not installed\n" in capsys.readouterr().out
