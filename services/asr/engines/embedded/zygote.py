"""A clean process that loads the recogniser once and forks a worker for every session.

Run as ``python -P -m services.asr.engines.embedded.zygote FD``. No event loop, no gRPC and no
busy thread is in it (onnxruntime keeps one that sleeps), so forking it is safe, and all workers
share the pages of the loaded model. For each byte with a socket on the control socket it forks a
worker that talks over that socket.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import traceback

from runtime.process import set_process_name
from services.asr.engines.embedded.decoder import TurnDecoder
from services.asr.engines.embedded.detector import SileroDetector
from services.asr.engines.embedded.wire import ZYGOTE_READY
from services.asr.engines.embedded.worker import serve_session


def run_zygote(control: socket.socket) -> None:
    """Load, report readiness, then fork on request until the control socket ends."""
    set_process_name("asr-zygote")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of the control socket ends this process
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the workers
    detector, decoder = SileroDetector(), TurnDecoder()
    gc.collect()
    gc.freeze()
    try:
        control.sendall(ZYGOTE_READY)
    except BrokenPipeError:
        return
    while True:
        message, descriptors, _flags, _address = socket.recv_fds(control, 1, 1)
        if not message:
            return
        for descriptor in descriptors:
            _fork_worker(control, descriptor, detector, decoder)


def _fork_worker(control: socket.socket, descriptor: int, detector: SileroDetector, decoder: TurnDecoder) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        # The server sees the end of the worker's stream; the next request may succeed.
        print(f"asr-zygote: cannot fork: {error}", file=sys.stderr, flush=True)
        os.close(descriptor)
        return
    if pid:
        os.close(descriptor)
        return
    code = 1
    try:
        set_process_name("asr-worker")
        control.close()
        with socket.socket(fileno=descriptor) as channel:
            serve_session(channel, detector, decoder)
        code = 0
    except Exception:  # noqa: BLE001 - the top of this process; its end is the report to the server
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    """Serve the control socket whose descriptor is the one argument."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        run_zygote(control)


if __name__ == "__main__":
    main()
