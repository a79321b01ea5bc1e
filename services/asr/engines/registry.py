"""Which engine serves a model on this host."""

from __future__ import annotations

from runtime.catalog import AsrServer
from runtime.logs import get_logger
from runtime.settings import AsrSettings
from services.asr.engines.base import Recognizer


def create_recognizer(server: AsrServer, settings: AsrSettings) -> Recognizer:
    """Return an unstarted recogniser for the model of an ASR server.

    The embedded engine serves every model: it needs neither a GPU nor weights.
    """
    from services.asr.engines.embedded.recognizer import EmbeddedRecognizer

    return EmbeddedRecognizer(settings.spare_workers, get_logger(server.program))
