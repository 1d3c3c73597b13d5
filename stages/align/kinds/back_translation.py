"""The aligner ``back_translation``: source to target by way of the target's back-translation.

After the refinement of Politov et al. (2501.18750): the target sentence is translated back into the
source's language; aligning the source with that is alignment within one language, and aligning the
back-translation with the target is alignment with a literal translation, which machines make. Links
are followed through both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from pipeline.config import ConfigModel
from pipeline.listed import batched
from pipeline.models import ModelSource
from pipeline.schema import Link
from pipeline.task import Advance, no_advance
from stages.align.kinds.base import AlignerKind, PairsToLearn
from stages.align.setting import Setting
from stages.word_alignment.aligner import ASSERTED, Aligner, WordPair
from stages.word_alignment.pair_source import PairSource, digest

if TYPE_CHECKING:
    from stages.align.context import AlignmentContext
    from stages.translate.kinds.auto import AutoTranslator

BackTranslate = Callable[[Sequence[list[str]]], list[list[str]]]
"""Gives the words of the translation of each sentence; none where there is no translation."""

# Sentences that the translator gets at once: it sorts them by length.
_CHUNK: Final = 2048
_FILE: Final = "translations.jsonl"


class BackTranslationAligner(Aligner):
    """Links words by way of a back-translation.

    A path from a source word over a word of the back-translation to a target word is as probable as
    its less probable step, a link as its most probable path: so a link is asserted if there is a
    path of asserted links.

    Args:
        within: Aligns the source with the back-translation.
        across: Aligns the back-translation with the target.
        translations: Back-translations by the digest of the target.
        floor: The least probability of a link that is handed out.
    """

    name = "back_translation"

    def __init__(
        self,
        within: Aligner,
        across: Aligner,
        translations: dict[bytes, list[str]],
        floor: float = ASSERTED,
    ) -> None:
        self._within = within
        self._across = across
        self._translations = translations
        self._floor = floor

    def _align(self, pairs: Sequence[WordPair], advance: Advance) -> list[list[Link]]:
        """Align sentence pairs whose targets were among those of :meth:`fit`.

        A pair whose target has no back-translation is unaligned.
        """
        through = [self._translations.get(digest(target), []) for _, target in pairs]
        first = self._within.align([(s, t) for (s, _), t in zip(pairs, through, strict=True)])
        second = self._across.align(
            [(t, target) for (_, target), t in zip(pairs, through, strict=True)], advance
        )
        return [compose(a, b, self._floor) for a, b in zip(first, second, strict=True)]

    @staticmethod
    def fit(
        own: PairSource,
        extra: PairSource,
        back_translate: BackTranslate,
        folder: Path,
        advance: Advance = no_advance,
        *,
        kept: float = ASSERTED,
    ) -> None:
        """Translate all targets back, learn both steps, and write that into a folder.

        Args:
            own: The pairs to align.
            extra: Further pairs in the same languages, for the step across.
            back_translate: From the target's language to the source's.
            folder: Where to write, for :meth:`load`.
            advance: Told the number of pairs whose targets are translated.
            kept: The least probability of a link that :meth:`load` will be asked for.
        """
        from stages.word_alignment.statistical.aligner import StatisticalAligner

        folder.mkdir(parents=True, exist_ok=True)
        translations: dict[bytes, list[str]] = {}
        for chunk in batched(own(), _CHUNK):
            new = {digest(t): t for _, t in chunk if t and digest(t) not in translations}
            found = back_translate(list(new.values())) if new else []
            translations.update(zip(new, found, strict=True))
            advance(len(chunk))
        with (folder / _FILE).open("w", encoding="utf-8") as file:
            for key, words in translations.items():
                file.write(json.dumps([key.hex(), words], ensure_ascii=False) + "\n")

        def back(side: int) -> Callable[[], Iterator[WordPair]]:
            def pairs() -> Iterator[WordPair]:
                for pair in own():
                    words = translations.get(digest(pair[1]))
                    if words:
                        yield (pair[0], words) if side == 0 else (words, pair[1])

            return pairs

        def rest() -> Iterator[WordPair]:
            # The pairs themselves are translations of one another, too.
            yield from own()
            yield from extra()

        for side, name, more in ((0, "within", lambda: iter(())), (1, "across", rest)):
            StatisticalAligner.fit(back(side), more, floor=kept).save(folder / name)

    @classmethod
    def load(cls, folder: Path, *, floor: float = ASSERTED) -> BackTranslationAligner:
        """Read what :meth:`fit` wrote."""
        from stages.word_alignment.statistical.aligner import StatisticalAligner

        with (folder / _FILE).open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        steps = [
            StatisticalAligner.load(folder / name, floor=floor) for name in ("within", "across")
        ]
        translations = {bytes.fromhex(key): words for key, words in rows}
        return cls(steps[0], steps[1], translations, floor)


def compose(first: Sequence[Link], second: Sequence[Link], floor: float) -> list[Link]:
    """Follow links from a first to a third sentence by way of the second."""
    onward: dict[int, list[Link]] = {}
    for link in second:
        onward.setdefault(link.source, []).append(link)
    best: dict[tuple[int, int], float] = {}
    for link in first:
        for then in onward.get(link.target, ()):
            key = (link.source, then.target)
            best[key] = max(best.get(key, 0.0), min(link.prob, then.prob))
    return [Link(i, j, p) for (i, j), p in sorted(best.items()) if p >= floor]


def back_translator(model: Path, source: str, target: str, device: str) -> BackTranslate:
    """Return the translation of words from ``target`` to ``source`` by a checkpoint.

    Raises:
        ConfigError: If the model does not translate in this direction.
        ModelError: If it cannot be loaded.
    """
    from stages.tokenise import detokenise, tokenise
    from stages.translate.cleaning import clean_words

    translator = _kind(device).load(model, target, source, name=str(model))

    def translate(sentences: Sequence[list[str]]) -> list[list[str]]:
        texts = [detokenise(clean_words(words), target) for words in sentences]
        found = translator.translate(texts)
        # A translation that was cut short is of use as far as it came.
        return [tokenise(hypotheses[0].text, source) for hypotheses in found]

    return translate


def _kind(device: str) -> AutoTranslator:
    from stages.translate.decoding import DecodingConfig
    from stages.translate.kinds.auto import AutoTranslator

    return AutoTranslator(DecodingConfig.model_validate({"device": device}))


class BackTranslationOptions(ConfigModel):
    """Options of ``back_translation``."""

    model: str | None = Field(
        None, description="translator: local folder or hub id; default: models.translator"
    )


class BackTranslation(AlignerKind[BackTranslationOptions]):
    """Links by way of a back-translation."""

    about: ClassVar[str] = "by way of what the translator makes of the target sentence"
    needs: ClassVar[Literal["encoder", "translator"]] = "translator"
    learns = True

    def problems(
        self, model: ModelSource | None, context: AlignmentContext, device: str
    ) -> Iterator[tuple[str, str]]:
        """Yield why a translator cannot translate targets back."""
        if context.source is None or context.target is None:
            yield "target_lang", "aligner 'back_translation' must be told both languages"
        elif model is not None:
            problem = _kind(device).problem(model, context.target, context.source)
            if problem:
                yield "model", problem

    def learn(self, pairs: PairsToLearn, setting: Setting, model: Path | None, to: Path) -> None:
        """Translate back, and learn from that (see :meth:`AlignerKind.learn`)."""
        assert model is not None and setting.source is not None and setting.target is not None
        translate = back_translator(model, setting.source, setting.target, setting.device)
        with pairs.shown("translate back", pairs.size, "pairs") as told:
            BackTranslationAligner.fit(
                pairs.own, pairs.extra, translate, to, told, kept=setting.kept
            )

    def load(self, setting: Setting, model: Path | None, learnt: Path) -> Aligner:
        """Read what was learnt."""
        return BackTranslationAligner.load(learnt, floor=setting.floor)
