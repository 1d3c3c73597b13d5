"""What each translation model calls a language: tags, codes of M2M100, NLLB, mBART-50, T5.

Users write ISO codes. Which languages a model folder can produce is read from its tokeniser's
vocabulary and configuration alone; no weights are loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from pipeline.errors import ConfigError, ModelError
from pipeline.languages import alpha3, base, canonical, script_of

Family = Literal["marian", "m2m100", "nllb", "mbart50", "t5", "bart"]

_TABLE = Path(__file__).with_name("languages.tsv")
_OPUS_NAME = re.compile(r"(?:^|/)opus-mt(?:-tc-\w+|_tiny)?-([A-Za-z]{2,3})-([A-Za-z]{2,3})$")
TOKENIZERS: Mapping[str, Family] = {
    "MarianTokenizer": "marian",
    "M2M100Tokenizer": "m2m100",
    "NllbTokenizer": "nllb",
    "MBart50Tokenizer": "mbart50",
    "T5Tokenizer": "t5",
}
# Files that hold a tokeniser's vocabulary, all of them; after a bar, what may be there instead.
_VOCABULARIES: Mapping[Family, str] = {
    "marian": "vocab.json source.spm target.spm",
    "m2m100": "vocab.json sentencepiece.bpe.model",
    "nllb": "tokenizer.json | sentencepiece.bpe.model",
    "mbart50": "tokenizer.json | sentencepiece.bpe.model",
    "t5": "tokenizer.json | spiece.model",
    "bart": "tokenizer.json",
}
NOTE = "xlner.json"
"""What we note about a converted model beside it."""
_TASK = re.compile(r"translation_([a-z]{2,3})_to_([a-z]{2,3})")
_MBART50 = frozenset(
    re.findall(
        r"\w+",
        "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT "
        "lv_LV my_MM ne_NP nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN af_ZA az_AZ bn_IN fa_IR he_IL "
        "hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE ta_IN te_IN "
        "th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI",
    )
)


@dataclass(frozen=True, slots=True)
class Codes:
    """One row of the table."""

    nllb: str
    m2m100: str
    marian: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TranslationDirection:
    """How to ask a model for one direction.

    Attributes:
        family: The family of the model.
        source: What the model calls the source language; ``None`` where it is not told.
        target: The same for the target language: with ``>>`` and ``<<`` for Marian and BART; for T5
            the text before the source, ``<2de>`` or ``translate English to German:``.
    """

    family: Family
    source: str | None
    target: str | None


@cache
def table() -> dict[str, Codes]:
    """Return the codes of each family by canonical ISO code."""
    rows = {}
    for line in _TABLE.read_text(encoding="utf-8").splitlines()[1:]:
        code, nllb, m2m100, marian = line.split("\t")
        rows[code] = Codes(nllb, m2m100, tuple(filter(None, marian.split(","))))
    return rows


class Languages:
    """The languages that a model folder knows, read without its weights.

    Args:
        folder: A Transformers checkpoint or a converted model with its tokeniser files.
        name: The name in the configuration, for messages.

    Raises:
        ModelError: If it is not a translator that we can drive, or tokeniser files are missing.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.folder = folder
        self.name = name or str(folder)
        self._options = _json(folder / "tokenizer_config.json") or {}
        self.family = self._find_family()
        usual, _, instead = _VOCABULARIES[self.family].partition(" | ")
        missing = [f for f in usual.split() if not (folder / f).is_file()]
        if missing and not (instead and (folder / instead).is_file()):
            raise ModelError(f"{folder}: tokeniser files missing: {', '.join(missing)}")
        self._tokens = self._language_tokens()
        self.prefixes = self._task_prefixes() if self.family == "t5" and not self._tokens else {}
        if self.family == "t5" and not (self._tokens or self.prefixes):
            raise ModelError(
                f"{folder}: a T5 model is a translator if its vocabulary has tags such as <2de> "
                "(MADLAD-400) or its config.json a task such as translation_en_to_de; this has none"
            )
        if self.family == "bart" and not self._tokens:
            raise ModelError(
                f"{folder}: a BART model is a translator if its tokenizer.json has language tokens "
                "such as >>de<<; this has none"
            )

    def _find_family(self) -> Family:
        config = _json(self.folder / "config.json") or {}
        kind = config.get("model_type")
        if kind == "marian":
            return "marian"
        if kind in ("t5", "bart"):
            return cast("Family", kind)
        tokenizer = str(self._options.get("tokenizer_class"))
        if kind == "mbart" and tokenizer.removesuffix("Fast") not in TOKENIZERS:
            tokenizer = str(config.get("tokenizer_class", tokenizer))
        if tokenizer.removesuffix("Fast") in TOKENIZERS:
            return TOKENIZERS[tokenizer.removesuffix("Fast")]
        if kind == "m2m_100":
            return "m2m100" if (self.folder / "vocab.json").is_file() else "nllb"
        if kind is not None:
            raise ModelError(
                f"{self.folder}: model type {kind!r} is not a translator that is supported; "
                "allowed: marian, m2m_100 (M2M100, NLLB), mbart (mBART-50), t5 (MADLAD-400, T5), "
                "bart (with language tokens such as >>de<<)"
            )
        if (self.folder / "source.spm").is_file():
            return "marian"
        if (_json(self.folder / NOTE) or {}).get("family") == "bart":
            return "bart"
        raise ModelError(
            f"{self.folder}: cannot tell the kind of translator: tokenizer_config.json names "
            f"{tokenizer!r}; allowed: {', '.join(TOKENIZERS)}. A converted model needs the "
            "tokeniser files of its checkpoint beside model.bin"
        )

    def _language_tokens(self) -> frozenset[str]:
        """Return the language codes in the vocabulary, as the family writes them."""
        if self.family == "marian":
            vocabulary = _json(self.folder / "vocab.json") or {}
            return frozenset(t[2:-2] for t in vocabulary if re.fullmatch(r">>.+<<", t))
        if self.family == "m2m100":
            names = {c.m2m100 for c in table().values()} - {""}
            if self._options.get("language_codes") == "wmt21":
                names = {"en", "ha", "is", "ja", "cs", "ru", "zh", "de"}
            listed = self._special_tokens()
            tagged = {t[2:-2] for t in listed if re.fullmatch(r"__.+__", t)}
            return frozenset(tagged or names)
        if self.family == "mbart50":
            return frozenset(_MBART50 & self._special_tokens() or _MBART50)
        if self.family == "t5":
            return frozenset(t[2:-1] for t in self._vocabulary() if re.fullmatch(r"<2\w+>", t))
        listed = self._special_tokens()
        if self.family == "bart":
            return frozenset(t[2:-2] for t in listed if re.fullmatch(r">>.+<<", t))
        found = {t for t in listed if re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", t)}
        return frozenset(found or ({c.nllb for c in table().values()} - {""}))

    def _special_tokens(self) -> set[str]:
        tokens: set[str] = set()
        for key in ("additional_special_tokens", "extra_special_tokens"):
            value = self._options.get(key) or []
            tokens.update(t if isinstance(t, str) else t.get("content", "") for t in value)
        added = self._options.get("added_tokens_decoder") or {}
        tokens.update(t.get("content", "") for t in added.values())
        tokenizer = _json(self.folder / "tokenizer.json") or {}
        tokens.update(t.get("content", "") for t in tokenizer.get("added_tokens", []))
        tokens.update(_json(self.folder / "added_tokens.json") or {})
        return tokens

    def _vocabulary(self) -> set[str]:
        """Return all tokens of a SentencePiece vocabulary."""
        tokenizer = _json(self.folder / "tokenizer.json")
        if tokenizer is not None:
            return {token for token, _ in tokenizer["model"]["vocab"]} | self._special_tokens()
        import sentencepiece

        model = self.folder / _VOCABULARIES[self.family].rpartition(" | ")[2]
        processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
        return {processor.id_to_piece(i) for i in range(processor.get_piece_size())}

    def _task_prefixes(self) -> dict[str, str]:
        """Return the text before the source by ``source-target``, of T5's own checkpoints."""
        note = _json(self.folder / NOTE) or {}
        found: dict[str, str] = dict(note.get("prefixes", {}))
        tasks = (_json(self.folder / "config.json") or {}).get("task_specific_params") or {}
        for task, options in tasks.items():
            pair = _TASK.fullmatch(task)
            if pair and options.get("prefix"):
                found["-".join(map(canonical, pair.groups()))] = options["prefix"].strip()
        return found

    def code(self, lang: str) -> str | None:
        """Return the model's name for an ISO code, or ``None`` if it has none."""
        code = canonical(lang)
        script, row = script_of(code), table().get(code) or table().get(base(code))
        if script is not None:
            return self._variant(base(code), script, row)
        code = base(code)
        if self.family == "mbart50":
            spoken = {canonical(t.split("_")[0]): t for t in sorted(self._tokens)}
            return spoken.get(code)
        if self.family in ("marian", "t5", "bart"):
            names = [code, alpha3(code), *(row.marian if row else ())]
            if row and row.nllb:
                names += [row.nllb, row.nllb.split("_")[0]]
            exact = next((n for n in names if n in self._tokens), None)
            # Otherwise the language in whatever script there is: >>uzb_Cyrl<<.
            prefixes = tuple(f"{n}_" for n in names)
            return exact or next((t for t in sorted(self._tokens) if t.startswith(prefixes)), None)
        wanted = (row.nllb if self.family == "nllb" else row.m2m100) if row else ""
        if wanted in self._tokens:
            return wanted
        prefix = f"{alpha3(code)}_"
        return next((t for t in sorted(self._tokens) if t.startswith(prefix)), None)

    def _variant(self, code: str, script: str, row: Codes | None) -> str | None:
        """Return the model's name for a language in a script that is not its usual one."""
        names = [code, alpha3(code), *(n.split("_")[0] for n in (row.marian if row else ()))]
        if row and row.nllb:
            names.append(row.nllb.split("_")[0])
        wanted = [f"{name}_{script}" for name in dict.fromkeys(names)]
        if (code, script) == ("zh", "Hant"):
            wanted += ["zh_TW", "zh_tw", "zh_HK", "zh_hk", "cmn_Hant"]
        return next((name for name in wanted if name in self._tokens), None)

    def available(self) -> list[str]:
        """Return the ISO codes of the languages in the vocabulary, sorted."""
        pair = [self._options.get("target_lang")] if not self._tokens else []
        names = [*self._tokens, *filter(None, pair), *(k.split("-")[1] for k in self.prefixes)]
        if self.family == "mbart50":
            names = [name.split("_")[0] for name in names]
        found = set()
        for name in names:
            whole = "nso" if name == "ns" else name
            for code in (whole, re.split(r"[_-]", whole)[0]):
                try:
                    found.add(canonical(code))
                    break
                except ConfigError:  # a group of languages (roa), or a tag of another kind
                    continue
        return sorted(found)

    def direction(self, source: str, target: str) -> TranslationDirection:
        """Return how to ask for ``source`` to ``target``.

        Raises:
            ConfigError: If the model does not know one of them.
        """
        source, target = canonical(source), canonical(target)
        if self.family == "t5":
            return TranslationDirection("t5", None, self._prefix(source, target))
        if self.family not in ("marian", "bart"):
            return TranslationDirection(self.family, self._known(source), self._known(target))
        if self._tokens:
            return TranslationDirection(self.family, None, f">>{self._known(target)}<<")
        given = self._pair()
        for lang, one in zip((source, target), given, strict=True):
            # A region is no other language to a model of one pair; a script may be.
            if one is not None and one != (lang if script_of(lang) else base(lang)):
                raise ConfigError(
                    f"{self.name} translates {given[0] or '?'} to {given[1] or '?'}, "
                    f"not {source} to {target}"
                )
        return TranslationDirection("marian", None, None)

    def _prefix(self, source: str, target: str) -> str:
        if self._tokens:
            return f"<2{self._known(target)}>"
        if f"{source}-{target}" not in self.prefixes:
            raise ConfigError(
                f"{self.name} does not translate {source} to {target}; it does: "
                f"{', '.join(self.prefixes)}"
            )
        return self.prefixes[f"{source}-{target}"]

    def _known(self, lang: str) -> str:
        code = self.code(lang)
        if code is None:
            raise ConfigError(_unknown(self.name, lang, self.available()))
        return code

    def _pair(self) -> tuple[str | None, str | None]:
        """Return the languages of a one-pair model; ``None`` for groups and where not stated."""
        pair = opus_pair(self.name) or (None, None)
        stated = (self._options.get("source_lang"), self._options.get("target_lang"))
        return (pair[0] or _single(stated[0]), pair[1] or _single(stated[1]))


def direction_problem(name: str, folder: Path | None, source: str, target: str) -> str | None:
    """Return why a translator cannot serve a direction, or ``None`` if nothing speaks against it.

    Args:
        name: Hub id or folder as configured.
        folder: The local folder; ``None`` for a hub model that is not downloaded yet. Then only
            what the name tells is checked.
        source: ISO code.
        target: ISO code.
    """
    if folder is not None:
        try:
            Languages(folder, name).direction(source, target)
        except (ConfigError, ModelError) as error:
            return str(error)
        return None
    pair = opus_pair(name)
    asked = tuple(c if script_of(c) else base(c) for c in (canonical(source), canonical(target)))
    if pair and pair != asked:
        return f"{name} translates {pair[0]} to {pair[1]}, not {source} to {target}"
    family: Family | None = next((f for w, f in _NAMED.items() if w in name.lower()), None)
    if family is None:
        return None
    if family == "mbart50":
        known = {canonical(code.split("_")[0]) for code in _MBART50}
    else:
        known = {code for code, row in table().items() if getattr(row, family)}
    if family == "nllb":
        known |= _NLLB_VARIANTS
    for lang in (canonical(source), canonical(target)):
        if (lang if script_of(lang) else base(lang)) not in known:
            return _unknown(name, lang, sorted(known))
    return None


_NAMED: Mapping[str, Family] = {"nllb": "nllb", "m2m100": "m2m100", "mbart-large-50": "mbart50"}
# Languages that NLLB has in a second script.
_NLLB_VARIANTS = frozenset(
    {"zh-Hant", "ace-Arab", "bjn-Arab", "ks-Deva", "kr-Arab", "min-Arab", "ar-Latn", "taq-Tfng"}
)


def _unknown(name: str, lang: str, available: Sequence[str]) -> str:
    import langcodes

    close = langcodes.closest_supported_match(lang, list(available), max_distance=25)
    hint = f" (the closest that it does is {close!r})" if close else ""
    return f"{name} does not know {lang!r}{hint}; available: {', '.join(available)}"


def opus_pair(name: str) -> tuple[str, str] | None:
    """Return the languages in a name such as ``Helsinki-NLP/opus-mt-en-de``, if single ones."""
    match = _OPUS_NAME.search(name)
    if not match:
        return None
    source, target = (_single(code) for code in match.groups())
    return (source, target) if source and target else None


def _single(code: str | None) -> str | None:
    """Return the canonical code, or ``None`` for a group of languages or nothing."""
    if not code or code in _GROUPS:
        return None
    try:
        return canonical(code)
    except ConfigError:
        return None


# ISO 639-5 and OPUS-MT names of groups that look like language codes.
_GROUPS = frozenset(
    re.findall(
        r"\w+",
        "aav afa alv art bat bnt cau ccs cel cpf cpp cus dra euq fiu gem gmq gmw iir inc ine ira "
        "itc map mkh mul nic poz pqe roa sem sit sla taw trk tut urj zle zls zlw",
    )
)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error})") from None


def tokenizer_files(folder: Path) -> Iterable[Path]:
    """Yield the files of a folder that a tokeniser may need (no weights)."""
    for path in sorted(folder.iterdir()):
        if path.suffix in (".spm", ".model", ".txt") or path.name in (
            "vocab.json",
            "target_vocab.json",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
            "generation_config.json",
        ):
            yield path
