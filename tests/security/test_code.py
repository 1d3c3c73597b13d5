"""What the code of the project never does, whatever the input: read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.models import LOCAL

ROOT = Path(__file__).parents[2]
FILES = sorted(p for name in ("pipeline", "stages", "xlner") for p in (ROOT / name).rglob("*.py"))
CHECKED = (*FILES, *sorted((ROOT / "benchmarks").rglob("*.py")))

PICKLES = ("pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve")
# A worker finds out in its own process whether its own error can be sent to its parent.
OWN_ERRORS = ("pipeline/child.py", "pickle.loads")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def problems(code: str, name: str = "x.py") -> list[str]:
    """Return what a piece of code does that it must not."""
    found = []
    for function, call in calls(ast.parse(code)):
        where = f"{name}:{call.lineno}: {function}"
        options = {k.arg: ast.unparse(k.value) for k in call.keywords}
        if options.get(None) == "LOCAL":  # pipeline.models, the options of what is in a folder
            options |= {name: repr(value) for name, value in LOCAL.items()}
        module, _, last = function.rpartition(".")
        if module in PICKLES and last in ("load", "loads", "open", "Unpickler"):
            found += [where] * ((name, function) != OWN_ERRORS)
        elif function == "torch.load" and options.get("weights_only") != "True":
            found.append(f"{where} without weights_only=True")
        elif (
            (module == "yaml" and last in ("load", "full_load", "unsafe_load", "load_all"))
            or last in ("extractall", "unpack_archive")
            or function in ("eval", "exec", "os.system", "os.popen")
            or options.get("shell") == "True"
        ):
            found.append(where)
        elif last == "from_pretrained" and module.startswith("Auto"):
            trusted = options.get("trust_remote_code") != "False"
            found += [f"{where} without trust_remote_code=False"] * trusted
        if options.get("allow_pickle", "False") != "False":
            found.append(f"{where} with allow_pickle")
        if options.get("trust_remote_code", "False") != "False":
            found.append(f"{where} with trust_remote_code")
    return found


def test_the_project() -> None:
    assert len(FILES) > 150
    found = []
    for path in CHECKED:
        name = path.relative_to(ROOT).as_posix()
        ours = problems(path.read_text(encoding="utf-8"), name)
        # Benchmarks load the models that they are told to, and nothing else of theirs is exempt.
        found += [p for p in ours if path in FILES or "without trust_remote_code" not in p]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle; pickle.load(file)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, yaml.Loader)",
        "archive.extractall(folder)",
        "AutoModel.from_pretrained(path)",
        "AutoConfig.from_pretrained(path, trust_remote_code=True)",
        "subprocess.run(text, shell=True)",
        "eval(text)",
    ],
)
def test_that_it_would_be_seen(code: str) -> None:
    assert problems(code)
