"""The entry point: which errors become one line, and what the exit code is."""

import json
import os
import subprocess
import sys

import pytest

from omg_jax.cli import console
from omg_jax.cli import main as entry
from omg_jax.cli.main import main


@pytest.fixture
def command(monkeypatch):
    """Installs a function as the module and subcommand ``doctor``."""

    def install(function):
        class Module:
            doctor = staticmethod(function)

        monkeypatch.setattr(entry.importlib, "import_module", lambda name: Module)

    return install


@pytest.mark.parametrize("error", [ValueError("a sentence\nover two lines"), ImportError("x"), FileNotFoundError("y")])
def test_expected_errors_are_one_line_and_exit_2(command, capsys, error):
    def fails():
        raise error

    command(fails)
    with pytest.raises(SystemExit) as ending:
        main(["doctor"])
    streams = capsys.readouterr()
    assert ending.value.code == 2
    assert streams.out == ""
    assert streams.err == f"omg: {' '.join(str(error).split())}\n"


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda folder: folder.read_bytes(), "{folder}: Is a directory"),
        (lambda folder: (folder / "none").read_bytes(), "{folder}/none: No such file or directory"),
        (lambda folder: os.write(os.open("/dev/full", os.O_WRONLY), b"x"), "No space left on device"),
    ],
)
def test_what_the_system_refuses_is_one_line(command, capsys, tmp_path, act, said):
    command(lambda: act(tmp_path))
    with pytest.raises(SystemExit) as ending:
        main(["doctor"])
    assert ending.value.code == 2
    assert capsys.readouterr().err == f"omg: {said.format(folder=tmp_path)}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["track", "--help"]])
def test_a_reader_that_is_gone_gets_no_traceback(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "omg_jax", *arguments], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_unexpected_error_keeps_its_traceback(command):
    def fails():
        raise KeyError("a mistake of ours")

    command(fails)
    with pytest.raises(KeyError):
        main(["doctor"])


def test_arguments_reach_the_command(command):
    seen = []

    def doctor(count: int, json: bool = False):
        seen.append((count, json))

    command(doctor)
    main(["doctor", "--count", "3", "--json"])
    assert seen == [(3, True)]


def test_an_unknown_command_names_the_known_ones(capsys):
    with pytest.raises(SystemExit) as ending:
        main(["dance"])
    assert ending.value.code == 2
    assert "reconstruct" in capsys.readouterr().err


def test_help_lists_every_command(capsys):
    main(["--help"])
    listing = capsys.readouterr().out
    assert all(f"\n  {name} " in listing for name in entry.COMMANDS)


def test_every_listed_command_exists_and_has_help(capsys):
    for name in entry.COMMANDS:
        with pytest.raises(SystemExit) as ending:
            main([name, "--help"])
        assert ending.value.code == 0
        assert f"omg {name}" in capsys.readouterr().out


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "omg_jax", "--help"], capture_output=True, text=True, check=True)
    assert "omg COMMAND" in done.stdout


def test_a_report_is_one_json_object_or_lines(capsys):
    result = {"frames": 3, "per_level": {"level 0": 1.5}, "path": None, "problems": []}
    console.report(result, as_json=True)
    assert json.loads(capsys.readouterr().out) == result
    console.report(result, as_json=False)
    assert capsys.readouterr().out == "frames: 3\nper level: level 0 1.5\npath: -\nproblems: none\n"


def test_a_note_is_one_line_as_it_stands(capsys):
    sentence = "a sentence about [a/strange/path] " + "that is longer than a terminal is wide " * 3
    console.note(sentence)
    assert capsys.readouterr().err == sentence + "\n"
