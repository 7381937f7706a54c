"""The ``omg`` command: finds the subcommand, lets tyro read its arguments, and turns its errors into one line.

A subcommand is a module of this package with a function of the same name, whose signature is the command line and
whose docstring is the help. Modules are imported only when asked for, so that ``omg doctor`` runs where an optional
dependency is missing.
"""

import importlib
import os
import sys

import tyro

from omg_jax.memory import keep_freed_memory

COMMANDS = {
    "demo": "the whole story on bundled real input: photo -> avatar -> reenactment",
    "reconstruct": "a photo to an avatar file",
    "track": "a photo or a video to a motion file",
    "animate": "an avatar and a motion (or a driver video) to an mp4",
    "convert": "weights, FLAME files and tracked heads that others made, to files of ours",
    "dataset": "videos, or folders of clips, to a dataset to train on",
    "train": "train a preset on clips; the same command again resumes",
    "evaluate": "measure a network, or any method's pictures, by a pinned protocol; compare two results",
    "doctor": "what is installed, which kernels load, which device, which weights",
    "assets": "list or get the weights and clips that are fetched on demand",
    "bench": "measure the rasterizer, an avatar, or a training step",
}
EXIT_BAD_INPUT, EXIT_NO_READER = 2, 1
# No --no- twins of flags; options may follow a subcommand; a preset's optional parts are options, not subcommands.
TYRO_CONFIG = (tyro.conf.FlagCreatePairsOff, tyro.conf.CascadeSubcommandArgs, tyro.conf.AvoidSubcommands)


def main(argv: list[str] | None = None) -> None:
    """Runs one command. Exits with 2 and one line on stderr when the input or the installation is at fault.

    Ends quietly where nobody reads its output any more (``omg --help | head -1``).
    """
    try:
        try:
            run(sys.argv[1:] if argv is None else argv)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more on its way out; there, what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_NO_READER)


def run(argv: list[str]) -> None:
    """Runs one command; expected errors end the program with one line."""
    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return
    keep_freed_memory()
    name, arguments = argv[0], argv[1:]
    if name not in COMMANDS:
        fail(f"unknown command {name!r}; expected one of {', '.join(COMMANDS)}")
    try:
        function = getattr(importlib.import_module(f"omg_jax.cli.{name}"), name)
        tyro.cli(function, prog=f"omg {name}", args=arguments, config=TYRO_CONFIG)
    except BrokenPipeError:
        raise
    except (ValueError, ImportError, OSError, FloatingPointError) as error:
        fail(one_line(error))
    except KeyboardInterrupt:
        sys.exit(130)


def usage() -> str:
    """What ``omg --help`` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(["usage: omg COMMAND [OPTIONS]   (omg COMMAND --help tells a command's options)", "", *lines, ""])


def fail(message: str) -> None:
    """Ends the program with one readable line."""
    sys.stderr.write(f"omg: {message}\n")
    sys.exit(EXIT_BAD_INPUT)


def one_line(error: Exception) -> str:
    """An exception's message without line breaks; its type where it has no message."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part is not None)
    return " ".join(str(error).split()) or type(error).__name__
