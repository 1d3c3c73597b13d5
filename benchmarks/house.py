"""The house, counted at any commit: lines, imports, circles, files per kind of change.

    python -m benchmarks.house 9e7a410 HEAD

- lines: of Python, per folder.
- imports up: from a lower floor into a higher one (machinery, stages, commands).
- circles: groups of modules that import each other, whether at their head or inside functions.
- inside functions: import statements there, in pipeline, stages and xlner.
- files of a kind: production files in which the name of a kind stands, one kind for each sort: what
  adding such a kind has to touch, tests and docs apart.
- forms of a sentence: classes and schemas with a field for its words.
- walk of a key: files of the aligners, the machinery and the commands that name ``layer``, a key
  of the aligners that read an encoder.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

FLOORS: Final = ("pipeline", "stages", "xlner")
KINDS: Final = {
    "aligner": "simalign_reference",
    "projection method": "merged_runs",
    "filter": "comp_target",
    "maker": "infilling",
    "fusion": "dlfa_sum",
    "metric": r"metrics\.partial:|class Partial\(MatchMetric",
    "format": "prodigy",
    "arm": "self_trained_last",
}
"""A kind of each sort by its name in configs (or a pattern); 0 where it was not there yet."""

Import = ast.Import | ast.ImportFrom


def sources(commit: str) -> dict[str, str]:
    """Return the Python files of a commit by path."""
    made = subprocess.run(["git", "archive", commit], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(made)) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.name.endswith(".py") else None
            if file is not None:
                found[member.name] = file.read().decode()
    return found


def module_of(path: str) -> str:
    """Return the dotted name of a file."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imports(tree: ast.AST) -> Iterator[Import]:
    """Yield the imports that run, at the head and inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Import):
            yield node
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from imports(node)


def edges(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Return which modules of the floors each of them imports."""
    own = {module_of(p): p for p in files if p.split("/")[0] in FLOORS}
    found: dict[str, set[str]] = {}
    for module, path in own.items():
        wanted: set[str] = set()
        for node in imports(ast.parse(files[path])):
            if isinstance(node, ast.Import):
                wanted |= {a.name for a in node.names}
                continue
            base = node.module or ""
            if node.level:
                package = module.split(".")
                up = node.level - path.endswith("__init__.py")
                base = ".".join([*package[: len(package) - up], *filter(None, [node.module])])
            inside = {f"{base}.{a.name}" for a in node.names}
            # A name of a package that is a module of its own is that module.
            wanted |= {n for n in inside if n in own} or {base}
        found[module] = {w for w in wanted if w in own and w != module}
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for name in graph[todo.pop()] - seen:
                seen.add(name)
                todo.append(name)
        return seen

    reach = {name: reached(name) for name in graph}
    groups = {
        tuple(sorted(n for n in reach[name] if name in reach[n]))
        for name in graph
        if name in reach[name]
    }
    return [list(group) for group in sorted(groups)]


def count(commit: str) -> None:
    """Print the figures of a commit."""
    files = sources(commit)
    lines = Counter[str]()
    for path, text in files.items():
        lines[path.split("/")[0]] += text.count("\n")
    graph = edges(files)
    up = [
        f"{a} -> {b}"
        for a, wanted in graph.items()
        for b in sorted(wanted)
        if FLOORS.index(b.split(".")[0]) > FLOORS.index(a.split(".")[0])
    ]
    production = {p: t for p, t in files.items() if p.split("/")[0] in FLOORS}
    inside = sum(
        isinstance(node, Import)
        for text in production.values()
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in function.body
    )
    found = circles(graph)
    print(f"== {commit}")
    print("lines:", ", ".join(f"{name} {n:,}" for name, n in sorted(lines.items())))
    print(f"imports up: {len(up)}; circles: {len(found)}, of {sum(map(len, found))} modules")
    for group in found:
        print("  ", ", ".join(group))
    print(f"inside functions: {inside}")
    for sort, name in KINDS.items():
        word = re.compile(rf"\b{name}\b" if name.isidentifier() else name)
        there = sorted(p for p, text in production.items() if word.search(text))
        print(f"files of a kind: {sort} {len(there)}: {' '.join(there)}")
    print("forms of a sentence:", len(forms(production)))
    key = [p for p, t in production.items() if re.search(r"\blayer\b", t) and _of_aligners(p)]
    print("walk of a key:", len(key))


def forms(production: Mapping[str, str]) -> list[str]:
    """Return the classes and schemas that hold the words of a sentence."""
    found = []
    for path, text in production.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ClassDef):
                names = {
                    s.target.id
                    for s in node.body
                    if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
                }
                if names & {"words", "source_words", "tokens"}:
                    found.append(f"{path}:{node.name}")
        found += [f"{path}:{n}" for n in re.findall(r'\("(?:source_)?words", pa\.list_', text)]
    return found


def _of_aligners(path: str) -> bool:
    return path.startswith(("stages/align/", "pipeline/", "xlner/", "stages/encoder_facts"))


if __name__ == "__main__":
    for one in sys.argv[1:] or ["HEAD"]:
        count(one)
