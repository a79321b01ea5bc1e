"""The SDK example of the README runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.private_stack import CHECKOUT, PrivateStack
from tests.support.streaming import sample_text, words_wrong

DEFAULT_ENDPOINT = "ws://localhost:8080"


def test_sdk_example_of_the_readme_prints_the_recording(running_stack: PrivateStack) -> None:
    """Only the address is replaced."""
    (example,) = re.findall(
        r"```python\n(.*?)```", (CHECKOUT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL
    )
    done = subprocess.run(
        [sys.executable, "-c", example.replace(DEFAULT_ENDPOINT, running_stack.endpoint)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    finals = [line.removeprefix("True ") for line in done.stdout.splitlines() if line.startswith("True ")]
    assert words_wrong(sample_text("weather.wav"), " ".join(finals)) <= 0.1
