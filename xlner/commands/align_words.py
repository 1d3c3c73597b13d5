"""``align_words``: word links between the two sides of sentence pairs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import ConfigError, DataError
from pipeline.explain import read_as
from pipeline.schema import Link
from stages.align.config import AlignConfig
from stages.align.kinds import ALIGNERS
from xlner.commands.files import SIDES, Files
from xlner.commands.options import (
    AsJson,
    Device,
    Encoding,
    Idle,
    MoreData,
    MoreOptions,
    Out,
    completing,
    language,
    with_more,
)
from xlner.commands.shared import (
    command,
    print_json,
    quiet_libraries,
    tell,
    to_write,
)

if TYPE_CHECKING:
    from stages.align.context import AlignmentContext
    from stages.word_alignment.aligner import WordPair

_KEY = re.compile(r"^(?:align\.(?P<own>\w+)|(?P<model>models\.\w+))(?:\.\d+)?:")
ABOUT = "Link the words of sentence pairs."
ENCODER = "artifacts/models/encoder"
TRANSLATOR = "artifacts/models/translator"


def align_words(
    source: Annotated[
        Path,
        typer.Argument(
            help="Plain tokenised text, CoNLL, or pairs 'source ||| target' (or a tab)."
        ),
    ],
    target: Annotated[
        Path | None, typer.Argument(help="The other side; not for a file of pairs.")
    ] = None,
    out: Out = None,
    aligner: Annotated[
        str,
        typer.Option(help=f"{', '.join(ALIGNERS)}.", autocompletion=completing(lambda: ALIGNERS)),
    ] = "auto",
    model: Annotated[
        str | None, typer.Option(help="Encoder or translator: folder or hub id.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="Encoder layer, 0 for the embeddings.")] = None,
    method: Annotated[
        str | None, typer.Option(help="simalign: inter, itermax, match, forward, reverse.")
    ] = None,
    token_type: Annotated[str | None, typer.Option(help="bpe or word.")] = None,
    distortion: Annotated[
        float | None, typer.Option(help="simalign: damping off the diagonal.")
    ] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or int8.")] = None,
    more: MoreOptions = None,
    source_lang: Annotated[
        str, typer.Option(help="Language code of SOURCE.", callback=language)
    ] = "en",
    target_lang: Annotated[
        str | None,
        typer.Option(help="Language code of TARGET; translators need it.", callback=language),
    ] = None,
    parallel: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="statistical, eflomal: more pairs to learn from ('source ||| target' or "
            "tab-separated lines, plain or in a zip); may be repeated.",
        ),
    ] = None,
    probs: Annotated[
        bool, typer.Option("--probs", help="Write 'i-j:probability', weak links too.")
    ] = False,
    gold: Annotated[
        Path | None, typer.Option(help="Gold links to score against: 'i-j' sure, 'ipj' possible.")
    ] = None,
    gold_base: Annotated[
        int, typer.Option(help="Number of the first word in --gold."), Idle(without="--gold")
    ] = 1,
    encoding: Encoding = "utf-8",
    data: MoreData = None,
    batch_tokens: Annotated[int, typer.Option(help="Tokens per batch of the encoder.")] = 2048,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Link the words of sentence pairs."""
    to_write("--out", out, source, target, gold, *map(Path, parallel or ()))
    own = {
        "model": model,
        "layer": layer,
        "method": method,
        "token_type": token_type,
        "distortion": distortion,
        "dtype": dtype,
    }
    options: dict[str, Any] = {k: v for k, v in own.items() if v is not None} | {
        "aligner": aligner,
        "batch_tokens": batch_tokens,
        "device": device,
        "soft": probs,
    }
    if parallel:
        pair = (source_lang, target_lang or "und")
        options["parallel"] = [_text_source(Path(p), pair) for p in parallel]
    typed = with_more(options, more or (), "floor=0.1")
    if options["aligner"] == "ensemble":
        raise ConfigError("--aligner ensemble: needs members; use a config and run_stage align")
    with _named(typed):
        _align(
            (source, target),
            out,
            read_as(AlignConfig, options, typed),
            (source_lang, target_lang),
            probs,
            (gold, gold_base),
            as_json,
            Files(encoding, data or (), SIDES if target else ()),
        )


@contextmanager
def _named(typed: Callable[[str], str]) -> Iterator[None]:
    """Let errors call the keys of a run's config as they are called here."""

    def called(key: re.Match[str]) -> str:
        return "--model:" if key["model"] else f"{typed(key['own'])}:"

    try:
        yield
    except ConfigError as error:
        raise ConfigError([_KEY.sub(called, problem) for problem in error.problems]) from None


def _align(
    files: tuple[Path, Path | None],
    out: Path | None,
    config: AlignConfig,
    langs: tuple[str, str | None],
    probs: bool,
    gold: tuple[Path | None, int],
    as_json: bool,
    how: Files,
) -> None:
    from pipeline.formats.pharaoh import pharaoh_line, read_pharaoh, write_pharaoh
    from stages.align.inputs import read_word_pairs
    from stages.translate.cleaning import clean_words
    from stages.word_alignment.aligner import asserted

    quiet_libraries()
    context = _context(config, langs)
    with how.advised():
        read = read_word_pairs(*files, how.of)
        how.refuse_idle()
    pairs = [(clean_words(a), clean_words(b)) for a, b in read]
    reference = list(read_pharaoh(gold[0], base=gold[1])) if gold[0] else None
    if reference is not None and len(reference) != len(pairs):
        raise DataError(f"{len(pairs)} sentence pairs but {gold[0]} has {len(reference)} lines")
    links, name = _run(config, context, pairs)
    summary = _summary(links, pairs, name)
    if reference is not None:
        from stages.align.scoring import score

        result = score([asserted(found) for found in links], reference)
        summary |= {
            "precision": result.precision,
            "recall": result.recall,
            "aer": result.aer,
            "gold_links": result.sure,
        }
    if out is not None:
        write_pharaoh(links, out, probabilities=probs)
    elif not as_json:
        for found in links:
            typer.echo(pharaoh_line(found, probabilities=probs))
    if as_json:
        rows = [pharaoh_line(found, probabilities=probs).split() for found in links]
        print_json(summary | ({"out": str(out)} if out else {"alignments": rows}))
    else:
        _tell(summary, out)


def _text_source(path: Path, langs: tuple[str, str]) -> dict[str, Any]:
    from pipeline.formats.files import read_lines

    common: dict[str, Any] = {"path": path, "languages": langs}
    if path.suffix == ".zip":
        return common | {"format": "zip"}
    line = next((li for _, li in read_lines(path) if li.strip()), "")
    if "|||" in line:
        return common | {"format": "tsv", "separator": "|||"}
    cells = line.split("\t")
    # Mined pairs come with their score, the source and the target, in this order.
    scored = len(cells) > 2 and _is_number(cells[0]) and not _is_number(cells[1])
    return common | {"format": "tsv", "separator": "\t", "columns": (1, 2) if scored else (0, 1)}


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"\s*-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?\s*", cell) is not None


def _context(config: AlignConfig, langs: tuple[str, str | None]) -> AlignmentContext:
    from stages.align.context import AlignmentContext
    from stages.align.planning import problems

    context = AlignmentContext(*langs, ENCODER, TRANSLATOR)
    found = list(problems(config, context))
    if found:
        raise ConfigError([str(p) for p in found])
    return context


def _run(
    config: AlignConfig, context: AlignmentContext, pairs: list[WordPair]
) -> tuple[list[list[Link]], str]:

    from pipeline.loaded import keeping
    from pipeline.progress import Progress
    from stages.align.build import build, learn
    from stages.align.kinds.base import PairsToLearn
    from stages.align.planning import plan
    from stages.align.text import read_pairs

    planned = plan(config, context)
    progress = Progress()
    # What the encoder computed while aligners learnt is kept with it.
    with tempfile.TemporaryDirectory() as folder, keeping():
        learn(
            planned,
            PairsToLearn(
                lambda: iter(pairs),
                lambda: read_pairs(config.parallel, context),
                len(pairs),
                progress,
            ),
            Path(folder),
        )
        aligner = build(planned, Path(folder))
        # The folder stays until all is aligned: what was learnt is read when it is first asked for.
        with progress.task("align", len(pairs), unit="pairs") as bar:
            return aligner.align(pairs, bar.advance), aligner.name


def _summary(links: list[list[Link]], pairs: list[WordPair], name: str) -> dict[str, Any]:
    return {
        "aligner": name,
        "pairs": len(pairs),
        "links": sum(map(len, links)),
        "unaligned": sum(not found for found in links),
        "empty": sum(not source or not target for source, target in pairs),
    }


def _tell(summary: dict[str, Any], out: Path | None) -> None:
    reason = f" ({summary['empty']} with an empty side)" if summary["empty"] else ""
    where = f"; wrote {out}" if out else ""
    tell(
        f"{summary['aligner']}: {summary['pairs']} pairs, {summary['links']} links, "
        f"{summary['unaligned']} pairs unaligned{reason}{where}"
    )
    if "aer" in summary:
        tell(
            f"precision {100 * summary['precision']:.2f}  recall {100 * summary['recall']:.2f}  "
            f"AER {100 * summary['aer']:.2f}  ({summary['links']} links, "
            f"{summary['gold_links']} sure gold links)"
        )


main = command(align_words, "align_words", ABOUT)
