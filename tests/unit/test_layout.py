"""Who may import whom: the package's layers, read from its source."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "omg_jax"
EXPERIMENTS = sorted((PACKAGE.parent / "experiments").rglob("*.py"))

# Layer -> the layers it may import besides itself. A layer is a file or a folder directly in the package.
VOCABULARY = {"types", "config", "config_json", "files", "processes"}
ALLOWED = {
    "types": set(),
    "config": set(),
    "config_json": {"config"},
    "files": set(),
    "processes": set(),
    "native": set(),
    "memory": set(),
    "assets": set(),
    "configs": {"config"},
    "geometry": VOCABULARY | {"native"},
    "head": VOCABULARY | {"geometry"},
    "splat": VOCABULARY | {"geometry", "native"},
    "models": VOCABULARY | {"head", "splat", "geometry"},
    "losses": VOCABULARY | {"head", "splat", "geometry"},
    "tracking": VOCABULARY | {"head", "geometry", "assets"},
    "data": VOCABULARY | {"head", "geometry", "assets"},
    "evaluation": VOCABULARY | {"memory", "losses", "tracking", "data", "head", "geometry", "assets"},
    "training": VOCABULARY | {"memory", "models", "losses", "data", "head", "splat", "geometry"},
    "avatar_file": VOCABULARY,
    "avatar": VOCABULARY | {"avatar_file", "models", "head", "splat", "geometry"},
    "benchmarks": VOCABULARY | {
        "memory", "training", "data", "losses", "avatar", "avatar_file", "models", "head", "splat", "geometry",
        "native",
    },  # fmt: skip
}
UNBOUND = {"cli", "__main__", "__init__"}  # these may import anything, and nothing imports them
# And every file of splat. The benchmark tells what the library it measures was built for.
NATIVE_CALLERS = {"geometry/visibility.py", "benchmarks/rasterizer.py"}
# Adapters of other rasterizers, imported only when these are installed and asked for.
PEERS = {"benchmarks/gsplat_peer.py": {"gsplat", "torch"}, "benchmarks/splax_peer.py": {"splax"}}
OPTIONAL = PEERS | {"training/watch.py": {"tensorboardX"}}

# These run from the tree on machines that hold nothing more.
LEAN_LAYERS = (
    "models", "splat", "geometry", "head", "losses", "training", "types", "config", "config_json", "native", "files",
    "memory", "avatar", "avatar_file", "benchmarks",
)  # fmt: skip
LEAN_PACKAGES = {
    "jax", "flax", "optax", "orbax", "numpy", "scipy", "PIL", "safetensors", "rich", "jaxtyping", "omg_jax",
}  # fmt: skip

SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(source: Path) -> set[str]:
    """Dotted names of every module that a file imports, at any depth of nesting."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source} imports relatively"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def layer_of(source: Path) -> str:
    return source.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_layers(source: Path) -> set[str]:
    ours = {name.split(".")[1] for name in imported_modules(source) if name.startswith("omg_jax.")}
    return ours - {layer_of(source), "_native", "__version__"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_the_layers_below_it(source):
    layer = layer_of(source)
    if layer not in UNBOUND:
        assert imported_layers(source) <= ALLOWED[layer]
    assert not imported_layers(source) & {"cli"} or layer in UNBOUND


def test_only_the_rasterizer_and_visibility_touch_the_native_library():
    callers = {str(s.relative_to(PACKAGE)) for s in SOURCES if "native" in imported_layers(s) and layer_of(s) != "cli"}
    assert {name for name in callers if not name.startswith("splat/")} <= NATIVE_CALLERS


def test_the_core_needs_only_what_gpu_machines_hold():
    allowed = LEAN_PACKAGES | set(sys.stdlib_module_names)
    for source in SOURCES:
        if layer_of(source) in LEAN_LAYERS:
            own = OPTIONAL.get(str(source.relative_to(PACKAGE)), set())
            foreign = {name.split(".")[0] for name in imported_modules(source)} - allowed - own
            assert not foreign, f"{source} imports {foreign}"


@pytest.mark.parametrize("script", EXPERIMENTS, ids=lambda path: path.name)
def test_what_an_experiment_imports_of_the_package_exists(script):
    """Most experiments run for minutes and need downloads, so that no other test runs them."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "omg_jax":
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_no_torch_and_no_tensorflow_at_run_time():
    for source in SOURCES:
        own = PEERS.get(str(source.relative_to(PACKAGE)), set())
        assert not {name.split(".")[0] for name in imported_modules(source)} & {"torch", "tensorflow"} - own, source


def test_adapters_of_other_rasterizers_are_imported_inside_functions_only():
    adapters = {Path(name).stem for name in PEERS}
    for source in SOURCES:
        for statement in ast.parse(source.read_text()).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                assert not any(adapter in ast.unparse(statement) for adapter in adapters), source
