"""How a model of CTranslate2 searches or samples: options of translators and of makers of text."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipeline.config import StageConfig

ComputeType = Literal[
    "int8",
    "int8_float32",
    "int8_float16",
    "int8_bfloat16",
    "int16",
    "float16",
    "bfloat16",
    "float32",
]


class DecodingConfig(StageConfig):
    """How a translator searches or samples; shared with ``synthesize``."""

    beam_size: int = Field(4, ge=1, description="beams; 1 with sampling")
    num_hypotheses: int = Field(1, ge=1, description="translations per sentence (n-best)")
    consensus: int | None = Field(
        None,
        ge=2,
        description="find so many, and put those first that most of them agree with (minimum Bayes "
        "risk by chrF); 16 take four to five times as long",
    )
    word_list: bool = Field(
        True,
        description="of what a search finds, put first what has the fewest words that are none, by "
        "the list beside the model (words.<language>.txt), where there is one",
    )
    length_penalty: float = Field(1.0, ge=0, description="exponent of the length in beam scores")
    repetition_penalty: float = Field(1.0, gt=0, description="above 1 discourages repetition")
    no_repeat_ngram_size: int = Field(0, ge=0, description="forbid repeated n-grams; 0: allow")
    sampling_topk: int = Field(
        1, ge=0, description="sample from the k best; 1: search, 0: from all"
    )
    sampling_topp: float = Field(1.0, gt=0, le=1, description="sample from this mass (nucleus)")
    sampling_temperature: float = Field(1.0, gt=0, description="above 1 is more varied")
    max_input_tokens: int | None = Field(
        None, ge=4, description="longest input in tokens; default: the model's limit"
    )
    max_output_tokens: int = Field(256, ge=1, description="longest output in tokens")
    max_output_ratio: float = Field(
        3.0, gt=0, description="longest output as a multiple of the input's tokens, plus 20"
    )
    on_long: Literal["split", "report"] = Field(
        "split", description="inputs over the limit: split at punctuation and rejoin, or report"
    )
    max_batch_tokens: int = Field(4096, ge=1, description="tokens per batch, padding included")
    compute_type: ComputeType = Field("int8", description="precision of weights and products")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the translator runs")
    threads: int | None = Field(
        None, ge=1, description="threads per process; default: OMP_NUM_THREADS or a fair share"
    )

    # The number of threads was shown not to change a translation, only the last digits of a score
    # in float32 (test_translator.py); device, precision and batch size are never left out.
    neutral: ClassVar[frozenset[str]] = frozenset({"threads"})

    @property
    def found(self) -> int:
        """How many translations of a text are searched for or sampled."""
        return max(self.consensus or 1, self.num_hypotheses)

    @property
    def beams(self) -> int:
        """How many beams the search has; consensus needs as many as it compares."""
        return self.beam_size if self.sampling else max(self.consensus or 1, self.beam_size)

    @property
    def sampling(self) -> bool:
        """Whether hypotheses are drawn at random."""
        return self.sampling_topk != 1

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.sampling and self.beam_size != 1:
            raise ValueError(
                f"sampling_topk {self.sampling_topk} samples, which needs beam_size 1, "
                f"not {self.beam_size}"
            )
        if self.consensus is not None and self.num_hypotheses > self.consensus:
            raise ValueError(
                f"num_hypotheses {self.num_hypotheses} is more than consensus {self.consensus}"
            )
        if not self.sampling and self.num_hypotheses > self.beams:
            raise ValueError(
                f"num_hypotheses {self.num_hypotheses} is more than beam_size {self.beam_size}"
            )
        return self
