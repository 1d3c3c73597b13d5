"""The layer-fused tagger as a transformers model.

``LayerFusedForTokenClassification`` puts :class:`stages.tagger.fusion.LayerFusion` between any
encoder that transformers knows and the token-classification head of that encoder's family. With
``fusion="none"`` it computes, to the bit, what ``AutoModelForTokenClassification`` computes.

Importing this module registers both classes with the Auto classes.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, ClassVar

import torch
from huggingface_hub import ModelCard
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import TokenClassifierOutput

from .card import MARK, model_card
from .fusion import LayerFusion
from .layers import FUSIONS, depth_of, set_dropout


class LayerFusedConfig(PreTrainedConfig):
    """Configuration of a layer-fused tagger.

    Attributes:
        encoder: The encoder's own configuration.
        fusion: One of :data:`stages.tagger.layers.FUSIONS`, or of another package's
            (entry points ``xlner.fusions``).
        fusion_layer: The lower layer; 0 is the embeddings' output, negative ones count from the
            end (-1 is the last layer, so -2 is the highest lower one).
        aif_ratio: Inner width of AIF's branches, relative to the encoder's width.
        aif_norm: ``layer`` or ``none``.
        aif_dropout: Dropout inside AIF's branches.
        aif_last_share: The weight of the last layer that AIF starts from.
        label_subwords: ``first`` or ``all``: the subwords of a word that carry its label.
        window: Longest input in subwords, with special tokens; ``None``: what the encoder takes.
        score_temperature: What scores are to be divided by before they are probabilities. The
            model's own logits are without it.
        fitted_temperature: What of that was fitted on held-out sentences, where it is less
            (``train.least_temperature``); a teacher's soft labels have this one.
        provenance: Facts for the model card: arm, languages, data, scores …
        fusion_options: Options of a fusion of another package.
    """

    model_type = "layer_fused"
    sub_configs: ClassVar[dict[str, Any]] = {"encoder": AutoConfig}

    def __init__(
        self,
        encoder: PreTrainedConfig | dict[str, Any] | None = None,
        fusion: str = "none",
        fusion_layer: int = 0,
        aif_ratio: float = 0.25,
        aif_norm: str = "layer",
        aif_dropout: float = 0.0,
        aif_last_share: float = 0.5,
        label_subwords: str = "first",
        window: int | None = None,
        score_temperature: float = 1.0,
        fitted_temperature: float | None = None,
        provenance: dict[str, Any] | None = None,
        fusion_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Take the options.

        Raises:
            ValueError: If an option has a value that is not allowed.
        """
        if isinstance(encoder, dict):
            fields = dict(encoder)
            encoder = AutoConfig.for_model(fields.pop("model_type"), **fields)
        if fusion not in FUSIONS and fusion not in _others():
            raise ValueError(
                f"fusion {fusion!r} is not one of: {', '.join((*FUSIONS, *_others()))}; install "
                "the package that adds it"
            )
        if aif_norm not in ("layer", "none"):
            raise ValueError(f"aif_norm {aif_norm!r} is not one of: layer, none")
        if not 0 < aif_last_share < 1:
            raise ValueError(f"aif_last_share {aif_last_share} is not between 0 and 1")
        self.encoder = encoder
        self.fusion = fusion
        self.fusion_layer = fusion_layer
        self.aif_ratio = aif_ratio
        self.aif_norm = aif_norm
        self.aif_dropout = aif_dropout
        self.aif_last_share = aif_last_share
        self.label_subwords = kwargs.pop("label_pieces", label_subwords)  # its name in 0.1
        self.window = window
        self.score_temperature = score_temperature
        self.fitted_temperature = fitted_temperature
        self.provenance = provenance
        self.fusion_options = fusion_options
        super().__init__(**kwargs)


def _others() -> dict[str, EntryPoint]:
    """Return the fusions of other packages by name."""
    return {entry.name: entry for entry in entry_points(group="xlner.fusions")}


def _fusion(config: LayerFusedConfig, width: int, depth: int) -> Any:
    if config.fusion not in FUSIONS:
        kind = _others()[config.fusion].load()
        return kind.module(width, depth, config.fusion_options or {})
    return LayerFusion(
        config.fusion,
        width,
        depth,
        config.fusion_layer,
        ratio=config.aif_ratio,
        norm=config.aif_norm,
        dropout=config.aif_dropout,
        last_share=config.aif_last_share,
    )


class LayerFusedForTokenClassification(PreTrainedModel):
    """Encoder, layer fusion, and the token-classification head of the encoder's family.

    Args:
        config: The configuration.
        classifier: A ready token classifier of the encoder's family whose weights are taken over;
            by default one with fresh weights is built.
    """

    config_class = LayerFusedConfig
    base_model_prefix = "encoder"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: LayerFusedConfig, classifier: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        ready = classifier is not None
        encoder_config: Any = config.encoder
        if classifier is None:
            encoder_config.num_labels = config.num_labels
            classifier = AutoModelForTokenClassification.from_config(encoder_config)
        encoder, head, final = _dissect(classifier)
        self.encoder = encoder
        # What the family puts between its encoder and the last linear layer, in its order.
        self.head = nn.ModuleDict(head)
        self.classifier = final
        # A pre-norm encoder (ModernBERT) normalises its last layer only; the same norm makes a
        # lower layer comparable to it.
        self._pre_norm = hasattr(encoder, "final_norm")
        depth = depth_of(encoder_config.to_dict())
        self.fusion = _fusion(config, encoder_config.hidden_size, depth)
        accepted = inspect.signature(encoder.forward).parameters
        self._takes_token_types = "token_type_ids" in accepted
        if ready:
            for module in (self.encoder, self.head, self.classifier):
                _keep_weights(module)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        std = getattr(self.config.encoder, "initializer_range", 0.02)
        self.fusion.reset_module(module, std)
        if isinstance(module, nn.Linear) and module is self.classifier:
            nn.init.normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    def train(self, mode: bool = True) -> LayerFusedForTokenClassification:
        """Set the mode; frozen modules stay as in evaluation, as dropout would only blur them."""
        super().train(mode)
        for module in self.encoder.modules():
            own = list(module.parameters())
            if own and not any(p.requires_grad for p in own):
                module.eval()
        return self

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> TokenClassifierOutput | tuple[Tensor, ...]:
        """Score every subword.

        Args:
            input_ids: (B, T) subword ids; or ``inputs_embeds``, (B, T, H).
            attention_mask: (B, T), 1 for real subwords; all ones by default.
            token_type_ids: (B, T), passed on if the encoder has them.
            position_ids: (B, T).
            inputs_embeds: (B, T, H).
            labels: (B, T) label ids, -100 where there is none; gives the mean cross-entropy.
            output_hidden_states: Return the encoder's layers too.
            output_attentions: Return the encoder's attentions too.
            return_dict: ``False`` for a tuple.
            num_items_in_batch: Divide the summed loss by this instead of averaging it.
            **kwargs: Passed on to the encoder.

        Returns:
            ``logits`` (B, T, labels), and what was asked for.
        """
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids if self._takes_token_types else None,
            "position_ids": position_ids,
            "inputs_embeds": inputs_embeds,
            "output_attentions": output_attentions,
        }
        outputs = self.encoder(
            **{k: v for k, v in given.items() if v is not None},
            **kwargs,
            output_hidden_states=self.fusion.needs_layers or bool(output_hidden_states),
            return_dict=True,
        )
        hidden = outputs.last_hidden_state
        if self.fusion.needs_layers:
            if attention_mask is None:
                attention_mask = torch.ones(hidden.shape[:2], device=hidden.device)
            hidden = self.fusion(self._layers(outputs), attention_mask)
        for module in self.head.values():
            hidden = module(hidden)
        logits = self.classifier(hidden)
        loss = None
        if labels is not None:
            counted = {"num_items_in_batch": num_items_in_batch}
            loss = self.loss_function(logits, labels, self.config, **counted)
        result = TokenClassifierOutput(
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states if output_hidden_states else None,
            attentions=outputs.attentions,
        )
        return result if return_dict is not False else result.to_tuple()

    def _layers(self, outputs: Any) -> list[Tensor]:
        layers = [*outputs.hidden_states[:-1], outputs.last_hidden_state]
        if not self._pre_norm:
            return layers
        norm: Any = self.encoder.final_norm
        for index in self.fusion.lower:
            layers[index] = norm(layers[index])
        return layers

    @classmethod
    def from_encoder(
        cls,
        name: str | Path,
        labels: list[str] | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        use_safetensors: bool | None = None,
        dropout: float | None = None,
        **options: Any,
    ) -> LayerFusedForTokenClassification:
        """Build a tagger around a pre-trained checkpoint of any kind.

        An encoder, a masked language model and a token classifier are all fine, stored in any
        precision; a layer-fused tagger gives its encoder and, where labels and fusion agree, its
        fusion and classifier too. What is missing gets fresh weights from torch's generator.

        Args:
            name: Local folder or hub id.
            labels: Label names in order; default: those of the checkpoint.
            dtype: Precision of the weights in memory.
            use_safetensors: Of a checkpoint without a tagger: ``True`` to load nothing else.
            dropout: In encoder and classifier; default: what the checkpoint says.
            **options: Fields of :class:`LayerFusedConfig`.

        Raises:
            ValueError: If the checkpoint lacks encoder weights, or is not an encoder's.
        """
        loaded = AutoConfig.from_pretrained(name, trust_remote_code=False)
        if labels is not None:
            loaded.id2label = dict(enumerate(labels))
            loaded.label2id = {label: i for i, label in enumerate(labels)}
        if dropout is not None:
            fused = isinstance(loaded, LayerFusedConfig)
            set_dropout(loaded.encoder if fused else loaded, dropout)
        if isinstance(loaded, LayerFusedConfig):
            return cls._from_tagger(name, loaded, dtype, options)
        if type(loaded) not in AutoModelForTokenClassification._model_mapping:
            raise ValueError(
                f"{name}: a {loaded.model_type!r} checkpoint is not an encoder that transformers "
                "can build a token classifier on"
            )
        classifier, info = AutoModelForTokenClassification.from_pretrained(
            name,
            config=loaded,
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            trust_remote_code=False,
            use_safetensors=use_safetensors,
        )
        prefix = f"{classifier.base_model_prefix}."
        missing = sorted(k for k in info["missing_keys"] if k.startswith(prefix))
        if missing:
            raise ValueError(
                f"{name}: the checkpoint lacks {len(missing)} of the encoder's weights "
                f"({', '.join(missing[:3])} …); it is incomplete or of another kind"
            )
        config = LayerFusedConfig(
            encoder=loaded.to_dict(), id2label=loaded.id2label, label2id=loaded.label2id, **options
        )
        loaded._name_or_path = ""  # a local path is nobody's business
        config.encoder = loaded
        return cls(config, classifier)

    @classmethod
    def _from_tagger(
        cls, name: str | Path, config: LayerFusedConfig, dtype: torch.dtype, options: dict[str, Any]
    ) -> LayerFusedForTokenClassification:
        for key, value in options.items():
            setattr(config, key, value)
        loaded: Any = cls.from_pretrained(
            name, config=config, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
        )
        model, info = loaded
        missing = [k for k in info["missing_keys"] if k.startswith("encoder.")]
        if missing:
            raise ValueError(f"{name}: the checkpoint lacks the encoder's weights ({missing[0]} …)")
        result: LayerFusedForTokenClassification = model
        return result

    def to_plain(self) -> PreTrainedModel:
        """Return a tagger without fusion as the plain class of its family (shared weights).

        Raises:
            ValueError: If there is fusion: no plain class can hold it.
        """
        if self.fusion.needs_layers:
            raise ValueError(f"a tagger with fusion {self.config.fusion!r} has no plain equivalent")
        config = self.config.encoder
        config.id2label, config.label2id = self.config.id2label, self.config.label2id
        plain = AutoModelForTokenClassification.from_config(config)
        setattr(plain, plain.base_model_prefix, self.encoder)
        for key, module in self.head.items():
            setattr(plain, key, module)
        plain.classifier = self.classifier
        return plain.train(self.training)

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> Any:
        """Save weights (safetensors), configuration, the code of the model, and a model card."""
        result = super().save_pretrained(save_directory, *args, **kwargs)
        self._write_card(Path(save_directory))
        return result

    def _write_card(self, folder: Path, tags: Sequence[str] = ()) -> None:
        text = model_card(self.config.to_dict(), tags)
        (folder / "README.md").write_text(text, encoding="utf-8")

    def _upload_modified_files(self, working_dir: Any, *args: Any, **kwargs: Any) -> Any:
        # push_to_hub has put a template, or the card that the repository has, in place of ours.
        folder = Path(working_dir)
        if (folder / "README.md").is_file():
            found = ModelCard.load(folder / "README.md")
            if MARK in found.content or "automatically generated" in found.content:
                self._write_card(folder, found.data.tags or ())
        return super()._upload_modified_files(working_dir, *args, **kwargs)


def _dissect(classifier: PreTrainedModel) -> tuple[nn.Module, dict[str, nn.Module], nn.Linear]:
    """Take a token classifier apart: encoder, the modules in between, the last linear layer."""
    prefix = classifier.base_model_prefix
    parts = dict(classifier.named_children())
    encoder = parts.pop(prefix, None)
    final = parts.pop("classifier", None)
    if encoder is None or not isinstance(final, nn.Linear):
        raise ValueError(
            f"{type(classifier).__name__} is not an encoder with a linear classifier on top"
        )
    return encoder, parts, final


def _keep_weights(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter._is_hf_initialized = True  # type: ignore[attr-defined]
    for child in module.modules():
        child._is_hf_initialized = True  # type: ignore[assignment]


def register() -> None:
    """Register with the Auto classes (importing this module does it)."""
    AutoConfig.register(LayerFusedConfig.model_type, LayerFusedConfig, exist_ok=True)
    AutoModelForTokenClassification.register(
        LayerFusedConfig, LayerFusedForTokenClassification, exist_ok=True
    )
    # Saved folders carry the code, so that trust_remote_code=True works without this package.
    LayerFusedConfig.register_for_auto_class()
    LayerFusedForTokenClassification.register_for_auto_class("AutoModelForTokenClassification")


if not __name__.startswith("transformers_modules."):  # where transformers loads saved code
    register()
