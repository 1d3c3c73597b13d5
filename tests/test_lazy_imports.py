"""An import inside a function is there because it is dear, or would close a circle.

Commands start in a fraction of a second because torch, pyarrow and whole stages are imported where
they are used. What a module has loaded anyway, and what comes with Python, stands at its head; so
do names for annotations, which cost nothing there.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "stages", "xlner", "model_recipes")
Import = ast.Import | ast.ImportFrom


@cache
def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def targets(node: Import, module: str) -> list[str]:
    """The modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    base = node.module or ""
    if node.level:
        package = module.split(".")
        up = node.level - (modules()[module].name == "__init__.py")
        base = ".".join([*package[: len(package) - up], *filter(None, [node.module])])
    inside = [f"{base}.{a.name}" for a in node.names]
    return [base, *(name for name in inside if name in modules())]


def at_head(body: list[ast.stmt]) -> Iterator[Import]:
    """The imports that loading a module runs."""
    for node in body:
        if isinstance(node, Import):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from at_head([*node.body, *node.orelse])
        elif isinstance(node, ast.Try | ast.With):
            yield from at_head(node.body)


def inside(module: str) -> Iterator[Import]:
    """The imports inside functions, each once; those of a try stay where they can fail."""
    for function in ast.walk(tree(module)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (n for n in function.body if isinstance(n, Import))


@cache
def loaded(module: str) -> frozenset[str]:
    """What is loaded once a module is: statically, the packages above each of them too."""
    found: set[str] = set()
    todo = [module]
    while todo:
        parts = todo.pop().split(".")
        for name in (".".join(parts[:k]) for k in range(1, len(parts) + 1)):
            if name not in found:
                found.add(name)
                if name in modules():
                    todo += [t for n in at_head(tree(name).body) for t in targets(n, name)]
    return frozenset(found)


def for_types(module: str) -> Iterator[Import]:
    """The imports for annotations, but for those that name their reason."""
    lines = modules()[module].read_text(encoding="utf-8").splitlines()
    for node in tree(module).body:
        if isinstance(node, ast.If) and lines[node.lineno - 1] == "if TYPE_CHECKING:":
            yield from (n for n in node.body if isinstance(n, Import))


@pytest.mark.parametrize("imports", [inside, for_types])
def test_imports_below_the_head_have_a_reason(imports: Callable[[str], Iterator[Import]]) -> None:
    needless = []
    for module, path in modules().items():
        for node in imports(module):
            wanted = targets(node, module)
            own = [t for t in wanted if t in modules()]
            there = all(
                t in loaded(module) or t.split(".")[0] in sys.stdlib_module_names
                for t in (own or wanted)
            )
            if there and not any(module in loaded(t) for t in own):
                needless.append(f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}")
    assert not needless, "these can stand at the head of the module:\n" + "\n".join(needless)
