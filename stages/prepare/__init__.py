"""Stage prepare: reads the corpora of a run, of any format, into ``labelled`` datasets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.artifacts import Artifact
from pipeline.config import RunConfig
from pipeline.errors import DataError, suggest
from pipeline.inputs import Inputs
from pipeline.stage import Context, Output, Problem, Ref, RunStage, Task
from stages.prepare.config import PrepareConfig
from stages.prepare.sources import (
    SOURCE_KEYS,
    TARGET_KEYS,
    Corpus,
    corpora,
    corpus_of,
    is_joined,
    is_translated,
    problems,
    translated,
    translations,
)
from stages.several_sources import train_refs

if TYPE_CHECKING:
    from pipeline.formats import SentenceStream, Tokenizer
    from pipeline.schema import Sentence
    from stages.prepare.joining import Joining
    from stages.prepare.segmentation import Splitter

_PROJECTED = frozenset({"train", "parallel", "rivals"})
"""Keys of corpora that labels are projected from, and of projections of others."""
_MEASURED = frozenset({"dev", "source_test", "test", "target_dev"})
"""Keys of corpora that taggers are measured on."""
_COMPARED = 200  # sentences whose words are compared with those of text
_SAMPLE = 2000  # sentences that a preview looks at


class PrepareStage(RunStage[PrepareConfig]):
    """Reads one corpus per task; see :func:`pipeline.formats.read_labelled`.

    ``labels.map`` is applied here. Types of ``labels.ignore`` stay in what is projected from, and
    in projections of others; elsewhere, in what taggers are scored or chosen on, they are ``O``. A
    corpus with an entity type that ``labels.types`` (or, where that is not set, ``data.train``)
    does not have is an error: no tagger could ever predict it.
    """

    name = "prepare"
    version = "4"
    about = "read labelled and unlabelled corpora, detect and repair their quirks"
    reasons: ClassVar[Mapping[str, str]] = {
        "empty_sentence": "the sentence has no words",
        "test_overlap": "the same sentence is in an evaluation set",
    }

    def tasks(self, config: RunConfig) -> Sequence[Task]:
        """Return one task per corpus and language."""
        return [self._task(config, c) for c in corpora(config)]

    def _task(self, config: RunConfig, corpus: Corpus) -> Task:
        inputs: dict[str, Ref] = {}
        # data.train is read only for its entity types, which those of the others must be among.
        compared = corpus.labelled and corpus.key != "train" and config.labels.types is None
        if compared and config.data.train is not None:
            inputs = train_refs(config)
        options: dict[str, Any] = {
            "key": corpus.key,
            "source": corpus.source.model_dump(mode="json", exclude_defaults=True),
            "from": "path" if corpus.path is not None else "hub",
        }
        if corpus.target is not None:
            options |= {"target": corpus.target, "by": corpus.by}
        if is_joined(config, corpus):
            # What it is joined with says which sentences there are: the limit there is its own.
            of = translated(config, corpus).source.model_dump(mode="json", exclude_defaults=True)
            options["of"] = of
        elif is_translated(config, corpus):
            options["translated"] = True  # then its rows stay as they are, see _read
        damaged = getattr(corpus.source, "damage", 0.0)
        return Task(
            self.name,
            corpus.unit,
            "labelled",
            inputs=inputs,
            lang=corpus.lang,
            options=options,
            uses=("labels", "repair_encoding", *(("seed",) if damaged else ())),
        )

    def check(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[Problem]:
        """Yield missing files, unknown hub configurations and the like."""
        return problems(config)

    def preview(self, config: RunConfig, tasks: Sequence[Task]) -> Iterator[str]:
        """Yield what is understood of each corpus, from its first sentences.

        Raises:
            DataError: If one cannot be read.
        """
        types: set[str] | None = set()
        for task in tasks:
            corpus = _corpus(config, task)
            if corpus.path is None:
                yield f"{corpus.name}: {corpus.source.hub}: on the hub, read when prepare runs"
                types = None
                continue
            stream = _read(config, corpus, sample=_SAMPLE)
            for _ in stream:
                pass
            yield f"{corpus.name}: {stream.report.summary()}"
            if types is not None:
                types |= stream.report.spans.keys()
        if types is not None:
            yield from _unmet(config, types)
        yield from _of_others(config)
        yield from _unread(config, {task.unit for task in tasks})

    def notices(self, config: RunConfig, artifacts: Sequence[Artifact]) -> Iterator[str]:
        """Yield types that the configuration names and no corpus has, and data for nothing."""
        yield from _unmet(config, {t for a in artifacts for t in a.manifest.notes["spans"]})
        yield from _of_others(config)
        yield from _unread(config, {a.manifest.unit for a in artifacts})

    def files(self, config: RunConfig, task: Task) -> Mapping[str, Path]:
        """Return the corpus, if it is on this machine; of translations also what they translate."""
        corpora = [_corpus(config, task)]
        if is_joined(config, corpora[0]):
            corpora.append(translated(config, corpora[0]))
        found: dict[str, Path] = {}
        for corpus in corpora:
            if corpus.path is not None and corpus.path.exists():
                found[corpus.name] = corpus.path
            else:  # a glob
                found |= {f"{corpus.name} {n}": p for n, p in enumerate(corpus.files())}
        return found

    def run(self, inputs: Inputs[Artifact], out: Output, context: Context) -> None:
        """Read one corpus.

        Raises:
            DataError: If it cannot be read, is empty, or has types that ``data.train`` lacks.
        """
        from pipeline.formats import map_spans, require_known_types
        from pipeline.formats.schemes import is_type
        from stages.prepare.other_language import OtherLanguage
        from stages.prepare.segmentation import Splitter, cut_otherwise

        config, task = context.config, context.task
        corpus = _corpus(config, task)
        splitter = Splitter(corpus.lang)
        stream = _read(config, corpus, splitter)
        report = stream.report
        joining = _joining(config, corpus, stream) if is_joined(config, corpus) else None
        sentences: Iterable[Sentence] = joining or stream
        if damage := getattr(corpus.source, "damage", 0.0):
            from stages.prepare.damage import damaged

            sentences = damaged(sentences, damage, config.seed)
        types: dict[str, int] = {}
        removed = 0
        compared: list[list[str]] = []
        language = OtherLanguage(corpus.lang, ["en", *config.sources, *config.languages])
        names = dict(config.labels.map)
        if corpus.key not in _PROJECTED:
            names |= {old: "O" for old, new in names.items() if new in config.labels.ignore}
            names |= dict.fromkeys(config.labels.ignore, "O")

        def rows() -> Iterator[dict[str, Any]]:
            nonlocal removed
            limit = corpus.source.limit if joining is None else joining.limit
            total = min(report.total, limit) if limit else report.total
            label = f"{self.name} {task.unit}"
            with context.progress.task(label, total=total, unit="sentences") as bar:
                for sentence in sentences:
                    if len(compared) < _COMPARED:
                        compared.append(sentence.words)
                    language.feed(sentence.words)
                    before = len(sentence.spans)
                    sentence.spans = map_spans(sentence.spans, names)
                    removed += before - len(sentence.spans)
                    for span in sentence.spans:
                        if not is_type(span.type):
                            raise DataError(_no_type(corpus.name, sentence, span.type))
                        types[span.type] = types.get(span.type, 0) + 1
                    bar.advance(1)
                    yield sentence.to_row()

        written = out.write_rows(rows())
        if not written:
            raise DataError(f"{corpus.name}: {report.origin} has no sentence with words")
        known, reference = _known_types(config, inputs)
        if known is not None and corpus.labelled:
            found = [t for t in types if t not in config.labels.ignore]
            require_known_types(found, known, key=corpus.name, reference=reference)
        if corpus.labelled and not types:
            says = "no tagger can learn from it"
            if corpus.key in _MEASURED:
                says = "F1 on it is 0 whatever a tagger does"
            report.warn(f"{corpus.name}: {report.origin} has no entity: {says}")
        if report.empty_sentences and joining is None:
            context.drop("empty_sentence", report.empty_sentences)
        if told := splitter.cut_again():
            report.warn(f"{corpus.name}: {report.origin}: {told}")
        if _words_meet_others(config, corpus) and (told := cut_otherwise(compared, corpus.lang)):
            report.warn(f"{corpus.name}: {report.origin}: {told}")
        if told := language.told():
            report.warn(f"{corpus.name}: {report.origin} {told}")
        if joining is not None:
            if report.empty_sentences:
                context.count("empty_parallel_sentences", report.empty_sentences)
            for name, count in joining.counts.items():
                context.count(name, count)
            if (told := joining.summary()) is not None:
                context.progress.say(told)
                context.notes["mismatches"] = told
        context.count("sentences", written)
        context.count("tokens", report.tokens)
        for name, n in (*report.repaired.items(), ("docstarts", report.docstarts)):
            if n:
                context.count(name, n)
        for kind, n in report.repaired_tags.items():
            context.count(f"repaired_tags_{kind}", n)
        for kind, n in report.left_out.items():
            context.count(f"left_out_{kind.replace(' ', '_')}", n)
        if removed:
            context.count("spans_mapped_to_o", removed)
        context.progress.say(f"{corpus.name}: {report.summary()}")
        context.notes.update(report.to_notes())
        context.notes["types"] = dict(sorted(types.items()))


def _unmet(config: RunConfig, types: set[str]) -> Iterator[str]:
    """Yield what ``labels`` names and no corpus has: one may lack what another has."""
    asked = {
        "labels.map": config.labels.map.keys(),
        "labels.ignore": set(config.labels.ignore) - set(config.labels.map.values()),
    }
    for key, names in asked.items():
        for name in sorted(names - types):
            yield (
                f"{key}: no corpus of this run has the type {name!r}{suggest(name, types)}; types: "
                f"{', '.join(sorted(types)) or 'none'}"
            )


def _of_others(config: RunConfig) -> Iterator[str]:
    """Yield data of languages that are none of the run, where one that is has none: nb for no."""
    for keys, languages in ((SOURCE_KEYS, config.sources), (TARGET_KEYS, config.languages)):
        for key in keys:
            source = getattr(config.data, key)
            given = source.keys() if isinstance(source, Mapping) else set()
            without, others = set(languages) - given, given - set(languages)
            if without and others:
                yield (
                    f"data.{key}: has nothing for {', '.join(sorted(without))}; it has data for "
                    f"{', '.join(sorted(others))}, which the run is not for"
                )


def _unread(config: RunConfig, read: Collection[str]) -> Iterator[str]:
    """Yield the data that the configuration names and that nothing in this run reads."""
    by_key: dict[str, list[Corpus]] = {}
    for found in corpora(config):
        by_key.setdefault(found.key, []).append(found)
    for key, those in by_key.items():
        unread = [c.name for c in those if c.unit not in read]
        names = [f"data.{key}"] if len(unread) == len(those) else unread
        for name in dict.fromkeys(names):
            yield f"{name}: nothing in this run reads it; it is {config.data.about(key)}"


def _words_meet_others(config: RunConfig, corpus: Corpus) -> bool:
    """Whether taggers are measured on words that were given, having learnt from split text."""
    measured = corpus.key in _MEASURED and corpus.lang in config.languages
    if not measured or not config.section("prepare", PrepareConfig).tokenise:
        return False
    return not any(c.labelled for c in translations(config, "parallel", corpus.lang))


def _no_type(name: str, sentence: Sentence, found: str) -> str:
    line = "" if sentence.line is None else f":{sentence.line}"
    better = "_".join(found.split()) or "ENTITY"
    return (
        f"{name}: {sentence.origin}{line}: {found!r} is no entity type: it is empty or has white "
        f"space, which tags cannot have; rename it: labels.map: {{{found!r}: {better}}}"
    )


def _corpus(config: RunConfig, task: Task) -> Corpus:
    key = task.options["key"]
    if (target := task.options.get("target")) is not None:
        by = task.options["by"]
        return next(c for c in translations(config, key, target) if c.by == by)
    found = corpus_of(config, key, task.lang or config.source)
    if found is None:  # pragma: no cover - tasks() names only what there is
        raise LookupError(f"{task.ref} is not configured")
    return found


def _read(
    config: RunConfig,
    corpus: Corpus,
    splitter: Splitter | None = None,
    *,
    keep_empty: bool = False,
    limited: bool = True,
    sample: int | None = None,
) -> SentenceStream:
    from pipeline.formats import read_labelled

    source, joined = corpus.to_read, is_joined(config, corpus)
    keep_empty = keep_empty or joined
    if joined or not limited:
        source = source.model_copy(update={"limit": None})
    return read_labelled(
        source,
        corpus.lang,
        path=corpus.path,
        origin=corpus.origin,
        id_prefix=corpus.key,
        labelled=corpus.labelled,
        repair_encoding=config.repair_encoding,
        keep_empty=keep_empty,
        docstarts=keep_empty,
        # The two sides match row by row, so no row of one side becomes several.
        keep_documents=joined or is_translated(config, corpus),
        tokenizer=_tokenizer(config, corpus.lang, splitter),
        sample=sample,
    )


def _joining(config: RunConfig, corpus: Corpus, stream: SentenceStream) -> Joining:
    from stages.prepare.joining import Joining

    of = translated(config, corpus)
    return Joining(
        lambda limited: _read(config, of, keep_empty=True, limited=limited),
        of.name,
        stream,
        corpus.name,
        of.source.limit,
        incomplete=getattr(corpus.source, "incomplete", False),
        check_order=getattr(corpus.source, "check_order", True),
    )


def _tokenizer(config: RunConfig, lang: str, splitter: Splitter | None) -> Tokenizer:
    from pipeline.formats import offsets_by, whitespace_offsets

    if not config.section("prepare", PrepareConfig).tokenise:
        return whitespace_offsets
    from stages.prepare.segmentation import Splitter

    return offsets_by(splitter or Splitter(lang))


def _known_types(config: RunConfig, inputs: Inputs[Artifact]) -> tuple[list[str] | None, str]:
    if config.labels.types is not None:
        return config.labels.types, "labels.types"
    trained = inputs.only("train").values()
    if trained:
        found = {kind for artifact in trained for kind in artifact.manifest.notes["types"]}
        return sorted(found - set(config.labels.ignore)), "data.train"
    return None, ""


STAGE = PrepareStage()
