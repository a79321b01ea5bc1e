"""Make ``keyterms.wav``, a sentence with words the recogniser does not know, with flite (Debian package flite).

Run it from the root of the checkout: ``python -m tests.support.make_keyterm_clip``.
"""

from __future__ import annotations

import wave

from samples.make_samples import SAMPLE_RATE_HZ, speak
from tests.support.speech_clips import KEYTERM_CLIP

SENTENCE = "The Zephyr QX nine runs Kubernetes."
VOICE = "rms"


def main() -> None:
    """Write the clip."""
    with wave.open(str(KEYTERM_CLIP), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(speak(SENTENCE, VOICE))


if __name__ == "__main__":
    main()
