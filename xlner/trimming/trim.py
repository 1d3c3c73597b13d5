"""From a checkpoint folder to one with fewer subwords."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.disk import folder_whole
from pipeline.errors import ModelError, first_line
from pipeline.models import ModelSource
from stages.encoder_facts import OFFSET_POSITIONS
from xlner.trimming.kinds import kind_of
from xlner.trimming.selection import Segmenter, added_tokens, choose
from xlner.trimming.words import together


@dataclass(frozen=True, slots=True)
class Tokenisation:
    """How the words of one text or list fare; shares are of running words."""

    words: float
    as_before: float
    """Share of words with the same subwords as before."""
    subwords_before: float
    """Subwords per word."""
    subwords_after: float


@dataclass(frozen=True, slots=True)
class TrimReport:
    """Subwords, parameters and bytes (of weights and tokenizer) before and after."""

    subwords_before: int
    subwords_after: int
    parameters_before: int
    parameters_after: int
    bytes_before: int
    bytes_after: int
    texts: dict[str, Tokenisation] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the report for people."""
        found = [
            f"subwords: {self.subwords_before:,} -> {self.subwords_after:,}",
            f"parameters: {self.parameters_before:,} -> {self.parameters_after:,}",
            f"size: {self.bytes_before / 1e6:.1f} MB -> {self.bytes_after / 1e6:.1f} MB",
        ]
        for name, text in self.texts.items():
            found.append(
                f"{name}: {100 * text.as_before:.1f} % of words tokenised as before; subwords per "
                f"word {text.subwords_before:.2f} -> {text.subwords_after:.2f}"
            )
        return found


def trim_encoder(
    source: ModelSource,
    words: Mapping[str, Mapping[str, float]],
    output: Path,
    *,
    size: int | None = None,
    weights: Mapping[str, float] | None = None,
    required: Set[str] | None = None,
) -> TrimReport:
    """Write a copy of an encoder that has only the subwords that `words` need.

    The states of text whose subwords are all kept are those of the full encoder to the bit. Output
    embeddings (a masked-LM head, tied or not) and their bias are cut as well. Configuration,
    numbers of special tokens, templates: everything that names a subword by number is renumbered.

    Args:
        source: An encoder's folder or hub id, with a fast tokenizer (``tokenizer.json``).
        words: For each text or list its pre-tokenised words with their counts; each counts alike.
        output: A folder, new or empty.
        size: Keep this many subwords, the most useful; default: all that the words need.
        weights: How much each of `words` counts, where not all alike.
        required: Subwords kept in any case; default: every single character, and whatever else no
            text can be written without.

    Raises:
        ModelError: If the model cannot be read, or its vocabulary is of another kind than Unigram,
            WordPiece and BPE.
        ConfigError: If `size` is smaller than what must be kept, or `output` holds something.
    """
    with folder_whole(output) as new:
        source.require_weights()
        folder = source.download()
        wrapped = fast_tokenizer(folder)
        tokenizer = json.loads(wrapped.backend_tokenizer.to_str())
        kind = kind_of(tokenizer, str(folder))
        first = _first_subwords(kind.subwords, wrapped.pad_token_id)
        kept = choose(
            tokenizer,
            together(words, weights),
            size,
            required=(kind.required() if required is None else set(required)) | first,
            name=str(folder),
        )
        cut_tokenizer, numbers = renumbered(tokenizer, kept, str(folder))
        before, after = _write_model(folder, new, numbers)
        wrapped.save_pretrained(new)
        _write_tokenizer(new, cut_tokenizer, numbers)
        for extra in ("LICENSE", "LICENSE.txt", "NOTICE"):
            if (folder / extra).is_file():
                shutil.copyfile(folder / extra, new / extra)
        return TrimReport(
            subwords_before=len(wrapped),
            subwords_after=len(numbers),
            parameters_before=before,
            parameters_after=after,
            bytes_before=_bytes(folder),
            bytes_after=_bytes(new),
            texts={n: compare(c, kind.model, cut_tokenizer["model"]) for n, c in words.items()},
        )


def compare(
    words: Mapping[str, float], before: dict[str, Any], after: dict[str, Any]
) -> Tokenisation:
    """Compare two model sections of a ``tokenizer.json`` on weighted words."""
    old, new = Segmenter(before), Segmenter(after)
    total = same = first = second = 0.0
    for word, weight in words.items():
        was, now = old(word), new(word)
        total += weight
        same += weight * (was == now)
        first += weight * len(was)
        second += weight * len(now)
    return Tokenisation(total, same / total, first / total, second / total)


def fast_tokenizer(folder: Path) -> Any:
    """Load a tokenizer whose vocabulary can be cut.

    Raises:
        ModelError: If there is none.
    """
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: cannot load its tokenizer ({error})") from error
    if not getattr(found, "is_fast", False):
        raise ModelError(
            f"{folder}: there is no fast tokenizer (tokenizer.json): its vocabulary cannot be cut"
        )
    return found


def _first_subwords(numbers: Mapping[str, int], padding: int | None) -> set[str]:
    """Subwords before the padding, where it is among the first: so its number stays."""
    if padding is None or padding > 16:
        return set()
    return {subword for subword, number in numbers.items() if number <= padding}


def renumbered(
    tokenizer: dict[str, Any], kept: Set[str], name: str
) -> tuple[dict[str, Any], list[int]]:
    """Return a ``tokenizer.json`` with `kept` only, and the old number of each new one."""
    kind = kind_of(tokenizer, name)
    old = [kind.subwords[subword] for subword in kind.in_order(kept)]
    for token in added_tokens(tokenizer):
        if token["content"] not in kind.subwords:
            old.append(int(token["id"]))
    new = {number: position for position, number in enumerate(old)}
    cut = json.loads(json.dumps(tokenizer))
    cut["model"] = kind.cut(kept)
    for token in cut.get("added_tokens") or []:
        token["id"] = new[int(token["id"])]
    if cut.get("padding"):
        cut["padding"]["pad_id"] = new[cut["padding"]["pad_id"]]
    _renumber_template(cut.get("post_processor"), new)
    return cut, old


def _renumber_template(processor: Any, new: Mapping[int, int]) -> None:
    """Renumber the special tokens that are put around text, in whatever processor says so."""
    if processor is None:
        return
    for part in processor.get("processors", ()):
        _renumber_template(part, new)
    for special in (processor.get("special_tokens") or {}).values():
        special["ids"] = [new[number] for number in special["ids"]]
    for key in ("sep", "cls"):
        if key in processor:
            content, number = processor[key]
            processor[key] = [content, new[number]]


def _write_model(folder: Path, output: Path, numbers: list[int]) -> tuple[int, int]:
    """Write configuration and weights; return the parameters before and after."""
    import torch

    model, made_up = load_as_made(folder)
    full = model.get_input_embeddings().num_embeddings
    before = model.num_parameters() - _numbers(model, made_up)
    rows = torch.tensor(numbers)
    if int(rows.max()) >= full:
        raise ModelError(
            f"{folder}: the tokenizer has subword {int(rows.max())}, but there are embeddings of "
            f"{full} only; tokenizer and weights do not belong together"
        )
    config = model.config
    # Their positions are counted from the number of the padding on, so that it must stay.
    if config.model_type in OFFSET_POSITIONS and numbers.index(config.pad_token_id) != (
        config.pad_token_id
    ):
        raise ModelError(f"{folder}: the padding's number would change, and with it all positions")
    vocabulary = _vocabulary_weights(model, full)
    state = {
        name: (value[..., rows] if value.ndim == 2 and value.shape[0] == 1 else value[rows])
        if name in vocabulary
        else value
        for name, value in model.state_dict().items()
    }
    _renumber_config(config, numbers)
    config.vocab_size = len(numbers)
    with torch.device("meta"):
        cut = type(model)(config)
    cut.load_state_dict(state, strict=True, assign=True)
    cut.tie_weights()
    # What the checkpoint did not have (a pooler, say) is at random in memory and is not written.
    kept = {name: value for name, value in cut.state_dict().items() if name not in made_up}
    if (stored := _stored_precision(folder)) is not None:
        # One for weights that are shared (tied embeddings), so that they are written once.
        shared = {v.data_ptr(): v.to(stored) for v in kept.values() if v.is_floating_point()}
        kept = {name: shared.get(value.data_ptr(), value) for name, value in kept.items()}
    cut.save_pretrained(output, state_dict=kept)
    return before, cut.num_parameters() - _numbers(cut, made_up)


def _numbers(model: Any, names: Set[str]) -> int:
    return sum(value.numel() for name, value in model.named_parameters() if name in names)


def _stored_precision(folder: Path) -> Any:
    """Return the type of number that all weights are stored as, whatever the config says."""
    from safetensors.torch import safe_open

    found = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            found |= {file.get_slice(name)[:0].dtype for name in file.keys()}  # noqa: SIM118
    return found.pop() if len(found) == 1 else None


def load_as_made(folder: Path) -> tuple[Any, set[str]]:
    """Load a checkpoint with the class that its configuration names, in its own precision.

    Returns:
        The model, and the names of weights that the checkpoint does not have.
    """
    import transformers
    from transformers import AutoConfig, AutoModel

    from stages.quiet import quiet

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except ValueError as error:
        raise ModelError(
            f"{folder}: no encoder that Transformers knows; a tagger that was trained here cannot "
            f"be cut, but the encoder that it is trained on can ({first_line(error)})"
        ) from error
    named = (getattr(config, "architectures", None) or [""])[0]
    made_by: Any = getattr(transformers, named, AutoModel)
    if not (isinstance(made_by, type) and issubclass(made_by, transformers.PreTrainedModel)):
        made_by = AutoModel
    with quiet():
        loaded: Any = made_by.from_pretrained(folder, dtype="auto", output_loading_info=True)
    model, told = loaded
    if not hasattr(model.config, "vocab_size"):
        raise ModelError(f"{folder}: the configuration has no vocab_size; this is no text encoder")
    return model, set(told["missing_keys"])


def _vocabulary_weights(model: Any, full: int) -> set[str]:
    """Names in the state of everything that has a row, or an entry, for each subword."""
    embeddings = model.get_output_embeddings()
    parts = [model.get_input_embeddings().weight]
    if embeddings is not None:
        parts += [embeddings.weight, getattr(embeddings, "bias", None)]
    places = {part.data_ptr() for part in parts if part is not None}
    return {
        name
        for name, value in model.state_dict().items()
        if (value.data_ptr() in places and value.shape[0] == full)
        # Heads keep their bias by itself (BERT, RoBERTa), sequence models as a buffer of one row.
        or (
            name.endswith("bias")
            and value.ndim
            and value.shape[-1] == full
            and value.ndim < 3
            and value.numel() == full
        )
    }


def _renumber_config(config: Any, numbers: list[int]) -> None:
    new = {number: position for position, number in enumerate(numbers)}
    for name, value in config.to_dict().items():
        if not name.endswith(("_token_id", "_token_ids")) or value is None:
            continue
        found = [new.get(n) for n in value] if isinstance(value, list) else new.get(value)
        setattr(config, name, found)


def _write_tokenizer(output: Path, tokenizer: dict[str, Any], numbers: list[int]) -> None:
    text = json.dumps(tokenizer, ensure_ascii=False)
    (output / "tokenizer.json").write_text(text, encoding="utf-8")
    file = output / "tokenizer_config.json"
    settings = json.loads(file.read_text(encoding="utf-8"))
    decoder = settings.get("added_tokens_decoder")
    if decoder:
        new = {str(number): str(position) for position, number in enumerate(numbers)}
        settings["added_tokens_decoder"] = {new[n]: token for n, token in decoder.items()}
        file.write_text(json.dumps(settings, ensure_ascii=False, indent=2), encoding="utf-8")
    # Lists of subwords in other forms are those of the full vocabulary.
    for stale in (
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "sentencepiece.bpe.model",
        "spiece.model",
    ):
        (output / stale).unlink(missing_ok=True)


def _bytes(folder: Path) -> int:
    """Bytes of weights and tokenizer."""
    return sum(
        file.stat().st_size
        for file in folder.iterdir()
        if file.suffix in {".safetensors", ".bin"} or file.name == "tokenizer.json"
    )
