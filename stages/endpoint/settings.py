"""What ``endpoint.json`` says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from pipeline.config import ConfigModel
from pipeline.errors import ModelError
from pipeline.explain import explain
from pipeline.models import ENDPOINT as FILE

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class EndpointSettings(ConfigModel):
    """A language model at an endpoint."""

    url: str = Field(
        description="address up to /v1: http://localhost:8080/v1 of llama.cpp, vLLM or Ollama, "
        "https://… of a hosted one"
    )
    model: str = Field(description="what the server calls the model")
    key_env: str | None = Field(
        None, description="environment variable that holds the key, if the server wants one"
    )
    temperature: float = Field(
        0.0, ge=0, description="of translations and annotations; 0: the likeliest answer"
    )
    max_tokens: int = Field(1024, ge=1, description="longest answer in tokens")
    parallel: int = Field(4, ge=1, description="questions under way at once")
    per_minute: float | None = Field(None, gt=0, description="most questions in a minute")
    timeout: float = Field(120.0, gt=0, description="seconds to wait for an answer")
    retries: int = Field(
        5, ge=0, description="times a question is asked again that the server was too busy for"
    )
    price_in: float = Field(0.0, ge=0, description="price of a million tokens of questions")
    price_out: float = Field(0.0, ge=0, description="price of a million tokens of answers")
    answers: str | None = Field(
        None,
        description="folder where answers are kept; default: xlner/answers in the user's cache",
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address such as http://localhost:8080/v1")
        if parts.username or parts.password:
            raise ValueError("no key in the address; name an environment variable in key_env")
        return value.rstrip("/")

    @property
    def local(self) -> bool:
        """Whether the server is on this machine."""
        return urlsplit(self.url).hostname in _LOCAL

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read a key."""
        return self.local or urlsplit(self.url).scheme == "https"


def is_endpoint(folder: Path) -> bool:
    """Return whether a model folder stands for an endpoint."""
    return (folder / FILE).is_file()


def read_settings(folder: Path) -> EndpointSettings:
    """Read ``endpoint.json``.

    Raises:
        ModelError: If it is missing or wrong, with every problem.
    """
    path = folder / FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return EndpointSettings.model_validate(raw)
    except FileNotFoundError:
        raise ModelError(f"{folder}: no {FILE}: not the folder of an endpoint") from None
    except ValidationError as error:
        raise ModelError(f"{path}: {'; '.join(explain(error, EndpointSettings))}") from None
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error})") from None


def problem_of(folder: Path) -> str | None:
    """Return what is wrong with an endpoint that can be told without asking it."""
    try:
        settings = read_settings(folder)
    except ModelError as error:
        return str(error)
    if settings.key_env is not None and not os.environ.get(settings.key_env):
        return f"{folder}: the environment variable {settings.key_env} holds no key"
    if settings.key_env is not None and not settings.encrypted:
        return f"{folder}: a key would go to {settings.url} unencrypted; use https"
    return None
