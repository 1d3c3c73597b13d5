"""``rank_sources``: which of a config's source languages is near its target languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xlner.commands.options import AsJson, Config, Overrides
from xlner.commands.shared import (
    command,
    data_console,
    print_json,
    quiet_libraries,
    reported_errors,
    tell,
)

if TYPE_CHECKING:
    from pipeline.config import RunConfig
    from pipeline.schema import Sentence
    from stages.source_ranking import Nearness

ABOUT = "Rank a config's source languages by how near they are to its target languages."


def rank_sources(
    config: Config,
    overrides: Overrides = None,
    text: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANG=FILE",
            help="Text of a target language, plain or labelled; default: data.unlabelled.",
        ),
    ] = None,
    sentences: Annotated[
        int, typer.Option(min=1, help="Read the first N sentences of each language.")
    ] = 4000,
    as_json: AsJson = False,
) -> None:
    """Rank a config's source languages by how near they are to its target languages.

    Counted are the subwords that source and target text share, and the words of the target text
    that are names in the source's gold data.
    """
    with reported_errors():
        quiet_libraries()
        from stages.source_ranking import nearest_to_all
        from xlner.api import load_config

        loaded = load_config(config, overrides or ())
        rankings = _rankings(loaded, _given(text or [], loaded), sentences)
        if as_json:
            print_json({lang: [asdict(n) for n in found] for lang, found in rankings.items()})
            return
        for lang, found in rankings.items():
            _show(lang, found)
        best = nearest_to_all(rankings)
        tell(f"nearest to {', '.join(rankings)}: --set train.sources=[{best[0]}]")


def _given(texts: Sequence[str], config: RunConfig) -> dict[str, Path]:
    from pipeline.errors import ConfigError
    from pipeline.languages import canonical

    found: dict[str, Path] = {}
    for given in texts:
        lang, separator, path = given.partition("=")
        if not separator or not path:
            raise ConfigError(f"--text {given}: say LANG=FILE, for example sw=swahili.txt")
        code = canonical(lang)
        if code not in config.languages:
            raise ConfigError(
                f"--text {given}: {code!r} is no target language of this config; they are: "
                f"{', '.join(config.languages)}"
            )
        found[code] = Path(path)
    return found


def _rankings(config: RunConfig, texts: dict[str, Path], limit: int) -> dict[str, list[Nearness]]:
    from pipeline.errors import ConfigError
    from stages.prepare.sources import corpus
    from stages.source_ranking import SourceText, ranked

    if len(config.sources) < 2:
        raise ConfigError(
            f"there is one source language, {config.source!r}: name those to choose from, as in "
            "--set source=[en,de], each with its data.train"
        )
    missing = [
        lang
        for lang in config.languages
        if lang not in texts and corpus(config, "unlabelled", lang) is None
    ]
    if missing:
        raise ConfigError(
            f"there is no text of {', '.join(missing)}: give data.unlabelled, or "
            f"--text {missing[0]}=FILE"
        )
    cut = _cutter(config)
    sources = [SourceText(lang, _gold(config, lang, limit), cut) for lang in config.sources]
    return {
        lang: ranked(sources, lang, (s.words for s in _text(config, lang, texts, limit)), cut)
        for lang in config.languages
    }


def _cutter(config: RunConfig) -> Callable[[Sequence[str]], Iterable[str]]:
    from pipeline.models import locate
    from stages.tagger.encoding import load_tokenizer

    tokenizer = load_tokenizer(locate(config.models.encoder, config.config_dir).download())

    def cut(words: Sequence[str]) -> list[str]:
        found: list[str] = tokenizer.tokenize(" ".join(words))
        return found

    return cut


def _gold(config: RunConfig, lang: str, limit: int) -> Iterator[Sentence]:
    from pipeline.errors import ConfigError
    from stages.prepare import read_corpus
    from stages.prepare.sources import corpus

    found = corpus(config, "train", lang)
    if found is None:
        raise ConfigError(f"data.train has nothing for the source language {lang!r}")
    wanted = config.labels
    for sentence in islice(read_corpus(config, found), limit):
        spans = []
        for span in sentence.spans:
            name = wanted.map.get(span.type, span.type)
            if name != "O" and (wanted.types is None or name in wanted.types):
                spans.append(span)
        yield replace(sentence, spans=spans)


def _text(config: RunConfig, lang: str, texts: dict[str, Path], limit: int) -> Iterator[Sentence]:
    from pipeline.config import DataSource
    from pipeline.formats import read_labelled
    from stages.prepare import read_corpus
    from stages.prepare.sources import corpus

    if lang in texts:
        source = DataSource(path=str(texts[lang]))
        return islice(read_labelled(source, lang, path=texts[lang], labelled=False), limit)
    found = corpus(config, "unlabelled", lang)
    assert found is not None  # told before
    return islice(read_corpus(config, found), limit)


def _show(lang: str, found: Sequence[Nearness]) -> None:
    from rich.table import Table

    table = Table(
        f"{lang} from", "nearness", "subwords", "names", "sentences", "entities", box=None
    )
    for n in found:
        table.add_row(
            n.source,
            f"{n.nearness:.2f}",
            f"{100 * n.subwords:.1f} %",
            f"{100 * n.names:.1f} %",
            f"{n.sentences:,}",
            f"{n.entities:,}",
        )
    data_console().print(table)


main = command(rank_sources, "rank_sources", ABOUT)
