"""What is done about files of a run that are not what was written."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.artifacts import Partial, RunFolder, file_sha256, write_atomic
from pipeline.errors import DamagedError
from pipeline.manifest import MANIFEST
from pipeline.plan import Selection, Step
from pipeline.task import Ref

_NAMED = 10  # damaged files that an error names one by one

Content = list[tuple[str, str]]
"""Names and hashes of the files of an output."""


def refuse_damage(folder: RunFolder, steps: Sequence[Step], selection: Selection) -> None:
    """Stop before anything is built on damaged files, or called up to date beside them.

    Raises:
        DamagedError: If there are any that this run does not repair; they are named.
    """
    damaged = [s for s in steps if s.state == "damaged"]
    if not damaged:
        return
    files = [(s.task.ref, d) for s in damaged for d in s.damage]
    told = [
        d.what if d.name == MANIFEST else f"{folder.folder(ref) / d.name} {d.what}"
        for ref, d in files[:_NAMED]
    ]
    if len(files) > _NAMED:
        told.append(f"and {len(files) - _NAMED} more files are damaged")
    names = ", ".join(dict.fromkeys(s.task.stage for s in damaged))
    told.append(
        f"this belongs to {names}, outside --from and --until: repair without these"
        if selection.repair
        else "run_pipeline with --repair looks at every file and makes again what is damaged"
    )
    raise DamagedError("\n".join(told))


def content(folder: RunFolder, ref: Ref) -> Content | None:
    """Return the hashes that an output is known by; those of what is there if none are known."""
    place = folder.folder(ref)
    try:
        found = folder.artifact(ref)
    except DamagedError:
        files = sorted(p for p in place.rglob("*") if p.is_file() and p.name != MANIFEST)
        return [(str(p.relative_to(place)), file_sha256(p)) for p in files]
    if found is None:
        return None
    return sorted(
        [(p.name, p.sha256) for p in found.manifest.parts] + [*found.manifest.files.items()]
    )


def keep_sound(folder: RunFolder, step: Step, partial: Partial) -> None:
    """Take the parts of a row-wise output that are not damaged over into the repaired one."""
    if any(d.name == MANIFEST for d in step.damage):
        return  # nothing vouches for them
    found = folder.artifact(step.task.ref)
    bad = {d.name for d in step.damage}
    for part in found.parts if found else ():
        kept = partial.out / part.name
        if part.name not in bad and not kept.exists():
            write_atomic(kept, part.read_bytes())


def changed_input(step: Step, changed: set[Ref]) -> Ref | None:
    """Return an input of an up-to-date task that came out of a repair with another content."""
    reads = (*step.task.inputs.values(), *step.task.side_inputs.values())
    return next((ref for ref in reads if ref in changed), None)
