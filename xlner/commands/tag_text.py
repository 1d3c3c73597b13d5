"""``tag_text``: entities in text, by a tagger."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from pipeline.errors import one_of
from pipeline.listed import batched
from xlner.commands.options import (
    AsJson,
    BatchTokens,
    Device,
    Encoding,
    Idle,
    MoreData,
    Out,
    completing,
    language,
)
from xlner.commands.shared import (
    command,
    data_stream,
    quiet_libraries,
    tell,
    to_write,
)

if TYPE_CHECKING:
    from pipeline.formats.report import RawSentence
    from stages.tagger.word_tagger import Entity, WordTagger
    from xlner.commands.files import Files

ABOUT = "Tag the named entities in a file."
FORMATS = ("jsonl", "conll", "text")
_CHUNK = 2000

# A sentence: its id, its raw text (None where the file has words), its words.
_Item = tuple[str, str | None, Sequence[str]]


def tag_text(
    model: Annotated[str, typer.Argument(help="Tagger: folder or hub id.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="Plain text with a sentence per line, CoNLL, JSONL or Parquet; - for "
            "text on standard input."
        ),
    ],
    out: Out = None,
    format: Annotated[
        str | None,
        typer.Option(
            help="jsonl (entities with scores and character offsets), conll (IOB2), or text "
            "(entities in brackets); default: conll for a FILE.conll, else jsonl.",
            autocompletion=completing(lambda: FORMATS),
        ),
        Idle(beside=("--json",)),
    ] = None,
    as_json: AsJson = False,
    lang: Annotated[
        str,
        typer.Option(help="Language of the text, for splitting it into words.", callback=language),
    ] = "en",
    words: Annotated[
        bool, typer.Option("--words", help="Text is split into words by spaces already.")
    ] = False,
    encoding: Encoding = "utf-8",
    data: MoreData = None,
    constrained: Annotated[
        bool,
        typer.Option(help="Only valid IOB2 sequences (Viterbi), or each word by itself."),
    ] = True,
    batch_tokens: BatchTokens = None,
    window: Annotated[
        int | None,
        typer.Option(min=1, help="Longest input in subwords; default: what the model takes."),
    ] = None,
    device: Device = "auto",
    dtype: Annotated[
        str, typer.Option(help="auto (bfloat16 where the machine has it), float32 or bfloat16.")
    ] = "auto",
) -> None:
    """Tag the named entities in a file."""
    one_of("--format", format, FORMATS)
    one_of("--dtype", dtype, ("auto", "float32", "bfloat16"))
    one_of("--device", device.partition(":")[0], ("auto", "cpu", "cuda"))
    to_write("--out", out, file)
    quiet_libraries()
    from xlner.commands.files import Files

    items = _read(file, lang, words, Files(encoding, data or ()))
    first = list(islice(items, 1))  # a file that cannot be read is told of before loading
    tagger = _load(
        model,
        device=device,
        dtype=dtype,
        batch_tokens=batch_tokens,
        window=window,
        constrained=constrained,
    )
    counts = _tag(tagger, chain(first, items), lang, _WRITERS[_style(format, out, as_json)], out)
    where = f"; wrote {out}" if out else ""
    tell(f"{counts[0]} sentences, {counts[1]} entities{where}")
    from stages.tagger.encoding import unreadable

    if warning := unreadable(tagger.seen):
        tell(f"warning: {warning}")


def _style(format: str | None, out: Path | None, as_json: bool) -> str:
    from pipeline.formats import FORMATS

    named = out is not None and out.suffix.lower() in FORMATS["conll"].suffixes
    return "jsonl" if as_json else format or ("conll" if named else "jsonl")


def _load(model: str, **options: Any) -> WordTagger:
    from pipeline.models import locate
    from stages.external.loading import is_external, load_tagger

    source = locate(model)
    if source.path is None or not is_external(source.path):
        source.require_weights()
    return load_tagger(source.download(), **options)


def _read(file: Path, lang: str, split: bool, files: Files) -> Iterator[_Item]:
    """Yield the sentences of a file; every line of plain text is one, empty ones too."""
    from pipeline.formats import read_labelled
    from pipeline.formats.files import read_lines, read_stream
    from pipeline.formats.reading import open_source

    stream = str(file) == "-"
    with files.advised():
        how = files.of(file, "text" if stream else None)
        files.refuse_idle()
        if stream:
            yield from _lines(read_stream(sys.stdin.buffer, "standard input", how.encoding), split)
        elif how.format == "text":
            yield from _lines(read_lines(file, how.encoding), split)
        else:
            opened, report = open_source(how, lang, path=file)
            texts = opened.read(report)
            first = next(texts, None)
            if first is not None and first.text is not None:
                yield from _records(chain([first], texts), split)
            else:
                read = read_labelled(how, lang, path=file, labelled=False, keep_empty=True)
                report = read.report
                for sentence in read:
                    yield sentence.id, None, sentence.words
            if told := report.repairs(empty_kept=True):
                tell(f"{file}: {', '.join(told)}")


def _records(records: Iterable[RawSentence], split: bool) -> Iterator[_Item]:
    """Yield records of text, as lines of plain text are; such as have words keep them."""
    for number, record in enumerate(records):
        name = record.id if record.id is not None else f"s-{number}"
        if record.text is None:
            yield name, None, record.words or []
        else:
            yield name, None if split else record.text, record.text.split() if split else ()


def _lines(lines: Iterable[tuple[int, str]], split: bool) -> Iterator[_Item]:
    for number, text in lines:
        yield str(number), None if split else text, text.split() if split else ()


def _tag(
    tagger: WordTagger,
    items: Iterator[_Item],
    lang: str,
    write: Callable[[TextIO, _Item, Sequence[Entity]], None],
    out: Path | None,
) -> tuple[int, int]:
    """Tag in chunks, so that memory does not grow with the file."""
    from stages.tagger.word_tagger import word_splitter

    ranges = word_splitter(lang)
    sentences = entities = 0
    with _output(out) as stream:
        for chunk in batched(items, _CHUNK):
            for is_text, group in groupby(chunk, key=lambda item: item[1] is not None):
                alike = list(group)
                if is_text:
                    texts = [text or "" for _, text, _ in alike]
                    alike = [
                        (i, t, [t[a:b] for a, b in ranges(t)])
                        for (i, _, _), t in zip(alike, texts, strict=True)
                    ]
                    found = tagger.predict(texts, lang=lang)
                else:
                    found = tagger.predict([w for _, _, w in alike])
                for item, spans in zip(alike, found, strict=True):
                    write(stream, item, spans)
                    entities += len(spans)
            sentences += len(chunk)
            stream.flush()
    return sentences, entities


@contextmanager
def _output(out: Path | None) -> Iterator[TextIO]:
    if out is None:
        yield data_stream()
        return
    from pipeline.disk import written_whole

    with written_whole(out) as new, new.open("w", encoding="utf-8", newline="\n") as stream:
        yield stream


def _write_jsonl(stream: TextIO, item: _Item, entities: Sequence[Entity]) -> None:

    name, text, words = item
    record: dict[str, Any] = {"id": name}
    if text is not None:
        record["text"] = text
    record["tokens"] = list(words)
    record["entities"] = [
        {"start": e.start, "end": e.end, "type": e.type, "score": round(e.score or 0.0, 4)}
        | ({"start_char": e.chars[0], "end_char": e.chars[1]} if e.chars else {})
        | {"text": e.text}
        for e in entities
    ]
    stream.write(json.dumps(record, ensure_ascii=False) + "\n")


def _write_conll(stream: TextIO, item: _Item, entities: Sequence[Entity]) -> None:
    from pipeline.formats.conll import conll_rows
    from pipeline.schema import Sentence

    stream.write(conll_rows(Sentence(item[0], "und", list(item[2]), list(entities))))


def _write_text(stream: TextIO, item: _Item, entities: Sequence[Entity]) -> None:
    _, text, words = item
    parts: list[str] = []
    at = 0
    for entity in entities:
        if text is not None and entity.chars is not None:
            parts += [text[at : entity.chars[0]], f"[{entity.type} {entity.text}]"]
            at = entity.chars[1]
        else:
            parts += [*words[at : entity.start], f"[{entity.type} {entity.text}]"]
            at = entity.end
    parts += [text[at:]] if text is not None else words[at:]
    stream.write(("" if text is not None else " ").join(parts) + "\n")


_WRITERS = {"jsonl": _write_jsonl, "conll": _write_conll, "text": _write_text}

main = command(tag_text, "tag_text", ABOUT)
