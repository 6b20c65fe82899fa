"""The job's progress as Prometheus metrics, on the loopback interface, while `vidact label --metrics-port` runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from ...errors import ConfigError
from .tracker import JobState

GAUGES = {
    "hours_total": "Hours of video in the plan.",
    "hours_done": "Hours of video in committed shards.",
    "hours_kept": "Hours of video in clips.",
    "shards_total": "Shards in the plan.",
    "shards_done": "Committed shards.",
    "clips": "Clips in committed shards.",
    "video_hours_per_hour": "Speed of this run.",
    "eta_s": "Seconds until the job is done, at this speed.",
    "workers": "Processes at work.",
}
BY_REASON = {
    "drops_hours": "Hours left out on purpose.",
    "dead_letters": "Failed parts of sources.",
}


def exposition(state: JobState) -> str:
    """The state in Prometheus' text format; what is not known is left out."""
    lines = []
    for name, help_text in GAUGES.items():
        value = getattr(state, name)
        if value is not None:
            lines += [*_head(name, help_text), f"vidact_label_{name} {value:g}"]
    for name, help_text in BY_REASON.items():
        lines += _head(name, help_text)
        for reason, value in sorted(getattr(state, name).items()):
            label = str(reason).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
            lines.append(f'vidact_label_{name}{{reason="{label}"}} {value:g}')
    return "\n".join(lines) + "\n"


def _head(name: str, help_text: str) -> list[str]:
    return [f"# HELP vidact_label_{name} {help_text}", f"# TYPE vidact_label_{name} gauge"]


class MetricsServer:
    """Serves `/metrics` until the `with` block ends.

    Args:
        port: of the loopback interface; 0 takes any free one (see `.port`).
        state: the newest state.
    """

    def __init__(self, port: int, state: Callable[[], JobState]):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path.split("?")[0] == "/metrics"
                body = exposition(state()).encode() if found else b"see /metrics\n"
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:  # requests are not news
                return

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        except OSError as error:
            raise ConfigError(
                f"metrics_port {port}: {error.strerror}; choose another port, or 0 for none"
            ) from error
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )

    def __enter__(self) -> MetricsServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
