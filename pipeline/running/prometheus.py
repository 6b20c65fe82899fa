"""The job's progress as Prometheus metrics (`label --metrics-port`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from ...errors import ConfigError
from .tracker import JobState

PREFIX = "vidact_label_"
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


class JobCollector(Collector):
    """Collects the newest state of a job; what is not known is left out."""

    def __init__(self, state: Callable[[], JobState]):
        self._state = state

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield a family per figure."""
        state = self._state()
        for name, help_text in GAUGES.items():
            value = getattr(state, name)
            if value is not None:
                yield GaugeMetricFamily(PREFIX + name, help_text, value=value)
        for name, help_text in BY_REASON.items():
            family = GaugeMetricFamily(PREFIX + name, help_text, labels=["reason"])
            for reason, value in sorted(getattr(state, name).items()):
                family.add_metric([str(reason)], value)
            yield family


def registry_of(state: Callable[[], JobState]) -> CollectorRegistry:
    """Return a registry of this job alone, without the process's own metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(JobCollector(state))
    return registry


class SilentHandler(WSGIRequestHandler):
    """Answers without a line per request: requests are not news."""

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


class MetricsServer:
    """Serves `/metrics` until the `with` block ends.

    Args:
        port: 0 takes any free one (see `.port`).
        state: the newest state.
        host: the address to listen on; the loopback interface unless given.
    """

    def __init__(self, port: int, state: Callable[[], JobState], host: str = "127.0.0.1"):
        metrics = make_wsgi_app(registry_of(state))

        def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if environ["PATH_INFO"] != "/metrics":  # the library's app answers any path
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"see /metrics\n"]
            return metrics(environ, start_response)

        try:
            self._server: WSGIServer = make_server(
                host, port, app, ThreadingWSGIServer, handler_class=SilentHandler
            )
        except OSError as error:
            raise ConfigError(
                f"metrics_port {port} of metrics_host {host}: {error.strerror}; choose another "
                "port or address, or port 0 for none"
            ) from error
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )

    def __enter__(self) -> MetricsServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
