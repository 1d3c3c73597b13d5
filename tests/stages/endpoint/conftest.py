"""A server on the loopback interface that speaks enough of OpenAI's protocol."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class Server:
    """Answers with what ``reply`` makes of a body; a number is a status, a pair has headers."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.reply: Callable[[dict[str, Any]], Any] = lambda body: "yes"
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append(body)
                outer.headers.append(dict(self.headers))
                made = outer.reply(body)
                status, more = made if isinstance(made, tuple) else (made, {})
                if not isinstance(status, int):
                    usage = {"prompt_tokens": 10, "completion_tokens": 3}
                    message = {"message": {"content": status}, "finish_reason": "stop"}
                    made, status = {"choices": [message], "usage": usage}, 200
                data = json.dumps(made if status == 200 else {"error": "no"}).encode()
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words: Any) -> None:
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def folder(self, place: Path, **more: Any) -> Path:
        """Write a model folder that stands for this server."""
        place.mkdir(parents=True, exist_ok=True)
        answers = str(place.parent / "answers")
        told = {"url": self.url, "model": "toy", "answers": answers, "parallel": 1, **more}
        (place / "endpoint.json").write_text(json.dumps(told))
        return place

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()
