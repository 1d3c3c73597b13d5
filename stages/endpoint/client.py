"""A client of OpenAI-compatible servers: answers are kept, and asked for once.

An answer is stored with its question, in a file of its own that is named by a hash of what decides
it (address, model, messages, sampling), so that a second run, or one that was killed, asks nothing
again. The key is read from the environment, sent to that server, and written nowhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.disk import write_atomic
from pipeline.errors import ModelError
from stages.endpoint.settings import EndpointSettings

_AGAIN: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        system: What the model is told to do.
        user: What with.
        temperature: Of sampling; ``None``: that of the endpoint.
        seed: Of sampling, for servers that have one; sets answers to the same question apart.
        max_tokens: Longest answer; ``None``: that of the endpoint.
    """

    system: str
    user: str
    temperature: float | None = None
    seed: int = 0
    max_tokens: int | None = None


class Endpoint:
    """An endpoint.

    Args:
        settings: Where it is and how it is asked.
        sleep: What waits; for tests.

    Attributes:
        seen: ``questions``, of these ``answers_stored`` (not asked again) and ``asked``;
            ``asked_again``, ``question_tokens``, ``answer_tokens``, ``answers_cut`` (at
            max_tokens), and ``cost_millionths`` of the unit of the prices.
    """

    def __init__(
        self, settings: EndpointSettings, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.settings = settings
        self.seen: Counter[str] = Counter()
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = 0.0  # when the rate allows another question

    def ask(self, questions: Sequence[Question]) -> Iterator[str]:
        """Yield the answers, in order.

        Raises:
            ModelError: If the server cannot be reached, or will not answer.
        """
        import httpx

        key = os.environ.get(self.settings.key_env, "") if self.settings.key_env else ""
        if key and not self.settings.encrypted:
            raise ModelError(f"a key would go to {self.settings.url} unencrypted; use https")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A key follows no redirection, and no proxy has any business with this machine.
        with (
            httpx.Client(
                headers=headers,
                timeout=self.settings.timeout,
                follow_redirects=False,
                trust_env=not self.settings.local,
            ) as client,
            ThreadPoolExecutor(self.settings.parallel) as pool,
        ):
            futures = [pool.submit(self._answer, client, question) for question in questions]
            try:
                for future in futures:
                    yield future.result()
            finally:  # after an error, nothing more is asked
                pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, client: Any, question: Question) -> str:
        body = self._body(question)
        path = self._stored_at(body)
        self._count(questions=1)
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            self._count(answers_stored=1)
            return str(stored["answer"])
        reply = self._post(client, body)
        try:
            choice = reply["choices"][0]
            answer = str(choice["message"]["content"] or "")
        except (KeyError, IndexError, TypeError) as error:
            raise ModelError(
                f"{self.settings.url}: an answer without choices[0].message.content: "
                f"{json.dumps(reply)[:200]}"
            ) from error
        usage = reply.get("usage") or {}
        tokens_in = int(usage.get("prompt_tokens") or 0)
        tokens_out = int(usage.get("completion_tokens") or 0)
        cost = tokens_in * self.settings.price_in + tokens_out * self.settings.price_out
        self._count(
            asked=1,
            question_tokens=tokens_in,
            answer_tokens=tokens_out,
            answers_cut=int(choice.get("finish_reason") == "length"),
            cost_millionths=round(cost),
        )
        stored = {"url": self.settings.url, "body": body, "answer": answer, "usage": usage}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(stored, ensure_ascii=False, indent=1).encode())
        return answer

    def _body(self, question: Question) -> dict[str, Any]:
        given = question.temperature
        return {
            "model": self.settings.model,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            "temperature": self.settings.temperature if given is None else given,
            "max_tokens": question.max_tokens or self.settings.max_tokens,
            "seed": question.seed,
        }

    def _stored_at(self, body: dict[str, Any]) -> Path:
        told = json.dumps([self.settings.url, body], sort_keys=True, ensure_ascii=False)
        name = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
        return answers_folder(self.settings) / name[:2] / f"{name}.json"

    def _post(self, client: Any, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        url = f"{self.settings.url}/chat/completions"
        told = ""
        for attempt in range(self.settings.retries + 1):
            if attempt:
                self._count(asked_again=1)
            self._wait_for_turn()
            wait = min(_LONGEST_WAIT, 2.0**attempt)
            try:
                reply = client.post(url, json=body)
            except httpx.TransportError as error:
                told = f"{type(error).__name__}: {error}"
            else:
                if reply.status_code == 200:
                    return self._parsed(reply)
                told = f"{reply.status_code} {reply.text[:200]}"
                if reply.status_code not in _AGAIN:
                    raise ModelError(f"{url} refuses: {told}{_advice(reply.status_code)}")
                wait = _told_to_wait(reply.headers.get("retry-after"), wait)
            if attempt < self.settings.retries:
                self._sleep(wait)
        raise ModelError(
            f"{url} gave no answer, asked {self.settings.retries + 1} times ({told}); answers so "
            "far are stored, so run again when it is there"
        )

    def _parsed(self, reply: Any) -> dict[str, Any]:
        try:
            found = reply.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ModelError(f"{self.settings.url}: not an answer in JSON: {reply.text[:200]}")
        return found

    def _wait_for_turn(self) -> None:
        if self.settings.per_minute is None:
            return
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + 60.0 / self.settings.per_minute
        if at > now:
            self._sleep(at - now)

    def _count(self, **counts: int) -> None:
        with self._lock:
            self.seen.update({k: n for k, n in counts.items() if n})


def answers_folder(settings: EndpointSettings) -> Path:
    """Return where answers are kept."""
    if settings.answers is not None:
        return Path(settings.answers).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "xlner" / "answers"


def _told_to_wait(header: str | None, otherwise: float) -> float:
    """Return the seconds of ``Retry-After``, within reason."""
    try:
        return min(_LONGEST_WAIT, max(0.0, float(header or "")))
    except ValueError:
        return otherwise


def _advice(status: int) -> str:
    if status in (401, 403):
        return "; is the key in the environment variable that key_env names?"
    if status == 404:
        return "; url is the address up to /v1, model what the server calls it"
    return ""
