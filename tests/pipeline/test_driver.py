"""What the driver makes of errors: Beam passes on a worker's exception as text."""

from __future__ import annotations

import pytest
from vidact.errors import ConfigError, ShardError
from vidact.pipeline.running.driver import STORAGE_FAILED, _explain

FROM_A_WORKER = """Traceback (most recent call last):
  File "apache_beam/runners/common.py", line 1500, in process
    return self.do_fn_invoker.invoke_process(windowed_value)
  File "vidact/pipeline/label.py", line 10, in label
    raise {name}({message!r})
{name}: {message}

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "apache_beam/runners/worker/sdk_worker.py", line 300, in _execute
    response = task()
{name}: {message} [while running 'LabelShard']
"""


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("OSError", "[Errno 28] No space left on device", STORAGE_FAILED),
        ("PermissionError", "[Errno 13] Permission denied: 'shards'", STORAGE_FAILED),
        ("botocore.exceptions.EndpointConnectionError", "no endpoint", STORAGE_FAILED),
        ("vidact.errors.ShardError", "the labels do not fit", 1),
        ("vidact.errors.ConfigError", "the store refuses (AccessDenied)", 2),
        ("ZeroDivisionError", "division by zero", 1),
    ],
)
def test_exit_codes_of_a_worker_s_errors(
    name: str, message: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _explain(RuntimeError(FROM_A_WORKER.format(name=name, message=message))) == code
    said = capsys.readouterr().err
    assert message in said
    assert said.startswith("vidact: ") == (code == 2)


def test_exit_codes_of_errors_of_its_own() -> None:
    assert _explain(ConfigError("no")) == 2
    assert _explain(ShardError("no")) == 1
    assert _explain(OSError(28, "No space left on device")) == STORAGE_FAILED
    assert _explain(ValueError("what")) == 1
