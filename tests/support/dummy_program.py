"""A stand-in for every program of the stack: the admin socket, the port, and misbehaviour on request.

What it does is read at its start from ``AAI_HOME/behaviour/<process>`` (one line of options), so
that a test can change it between two starts.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import shlex
import signal
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

PR_SET_PDEATHSIG = 1
PROGRAM_FILES = ("streaming-api", "streaming-asr-lb", "streaming-asr", "license-and-usage-proxy")
PORT_VARIABLES = {
    "streaming-api": "AAI_WSS_PORT",
    "streaming-asr-lb": "AAI_ROUTER_PORT",
    "license-and-usage-proxy": "AAI_PROXY_PORT",
    "streaming-asr-english": "AAI_ASR_ENGLISH_PORT",
    "streaming-asr-multilang": "AAI_ASR_MULTILANG_PORT",
    "streaming-asr-u3pro": "AAI_ASR_U3PRO_PORT",
}


def write_bin_dir(directory: Path) -> Path:
    """Write an executable for each program into a directory; returns it."""
    root = Path(__file__).resolve().parent.parent.parent
    directory.mkdir(parents=True, exist_ok=True)
    for name in PROGRAM_FILES:
        script = directory / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(root)!r})\n"
            f"from tests.support.dummy_program import main\nmain({name!r}, sys.argv[1:])\n"
        )
        script.chmod(0o755)
    return directory


def behave(home: Path, process: str, options: str) -> None:
    """Set what a process does from its next start on."""
    directory = home / "behaviour"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / process).write_text(options)


def main(program: str, arguments: list[str]) -> None:
    """Be one process until TERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", default="00")
    parser.add_argument("--program", default=program)
    given = parser.parse_args(arguments)
    program = given.program
    process = f"{program}-{given.worker}" if program == "streaming-api" else program
    home = Path(os.environ["AAI_HOME"])
    options = _options(home / "behaviour" / process)
    if options.ignore_term:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    print(f"{process} boots", flush=True)
    if options.exit_code is not None:
        print("the cause of the end", flush=True)
        sys.exit(options.exit_code)
    _Program(process, program, given.worker, home, options).serve()


def _options(path: Path) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--boot-s", type=float, default=0.0)
    parser.add_argument("--exit-code", type=int)
    parser.add_argument("--ignore-term", action="store_true")
    parser.add_argument("--drain-on-term", action="store_true")
    parser.add_argument("--never-ready", action="store_true")
    parser.add_argument("--sessions", type=int, default=0)
    parser.add_argument("--session-model", default="en-default")
    parser.add_argument("--refuse-sessions", action="store_true")
    parser.add_argument("--license-state", default="Connected")
    return parser.parse_args(shlex.split(path.read_text()) if path.exists() else [])


class _Program:
    def __init__(self, process: str, program: str, worker: str, home: Path, options: argparse.Namespace) -> None:
        self.process = process
        self.program = program
        self.home = home
        self.options = options
        self.started_s = time.monotonic()
        self.port = int(os.environ[PORT_VARIABLES[program]])
        self.socket_path = home / "run" / f"{program}-{worker}.sock"
        self.drained_at_s: float | None = None

    def serve(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.program == "streaming-api":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        serve_port = {"streaming-api": self._serve_sessions, "license-and-usage-proxy": self._serve_status}
        threading.Thread(target=serve_port.get(self.program, lambda _: None), args=(listener,), daemon=True).start()
        self.socket_path.unlink(missing_ok=True)
        admin = socketserver.ThreadingUnixStreamServer(str(self.socket_path), self._admin_handler())
        admin.daemon_threads = True
        if not self.options.ignore_term:
            signal.signal(signal.SIGTERM, self._terminated)
        admin.serve_forever()

    def _terminated(self, *_arguments: object) -> None:
        if not self.options.drain_on_term:
            sys.exit(0)
        self._drain(int(os.environ["AAI_DRAIN_LIMIT_S"]))
        threading.Thread(target=self._end_when_drained, daemon=True).start()

    def _drain(self, limit_s: int) -> None:
        at_s = time.monotonic() + limit_s
        self.drained_at_s = at_s if self.drained_at_s is None else min(at_s, self.drained_at_s)

    def _end_when_drained(self) -> None:
        while self._sessions():
            time.sleep(0.02)
        os._exit(0)

    def _serve_sessions(self, listener: socket.socket) -> None:
        from websockets.sync.server import ServerConnection, serve

        def session(connection: ServerConnection) -> None:
            if self.options.refuse_sessions:
                connection.send(json.dumps({"type": "Error", "error_code": 3006, "error": "no such model"}))
                return
            connection.send(json.dumps({"type": "Begin", "id": "x"}))
            for message in connection:
                if isinstance(message, str) and json.loads(message)["type"] == "Terminate":
                    connection.send(json.dumps({"type": "Termination"}))
                    return

        serve(session, sock=listener).serve_forever()

    def _serve_status(self, listener: socket.socket) -> None:
        body = json.dumps({"state": self.options.license_state}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        while True:
            connection, _ = listener.accept()
            with connection:
                if connection.recv(4096):
                    connection.sendall(head + body)

    def _sessions(self) -> list[dict[str, object]]:
        if self.drained_at_s is not None and time.monotonic() >= self.drained_at_s:
            return []
        return [
            {"session_id": f"s{number}", "model": self.options.session_model, "age_s": 1.0}
            for number in range(self.options.sessions)
        ]

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        with (self.home / "requests").open("a") as log:
            log.write(f"{self.process} {method} {path} {body.decode()}\n")
        if path == "/health":
            booted = time.monotonic() - self.started_s >= self.options.boot_s
            ready = booted and not self.options.never_ready
            return 200 if ready else 503, {
                "program": self.program, "pid": os.getpid(), "ready": ready, "port": self.port,
                "detail": "" if ready else "still warming up",
            }  # fmt: skip
        if path == "/sessions":
            return 200, self._sessions()
        if path == "/drain":
            count = len(self._sessions())
            self._drain(json.loads(body)["limit_s"])
            return 200, {"sessions": count}
        return (200, {}) if path == "/deployment/reload" else (404, {})

    def _admin_handler(self) -> type[BaseHTTPRequestHandler]:
        program = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._respond("GET")

            def do_POST(self) -> None:
                self._respond("POST")

            def _respond(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, value = program._answer(method, self.path, body)
                content = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
