"""What can go wrong while a stack is started, watched or stopped; each leaf has its own exit code.

::

    AppError
    `-- SuperviseError           exit 1    an operation failed, with cause and fix
        |-- SupervisorUnreachable    4    supervisord is not running, or not ours to talk to
        |-- SupervisorFault          1    supervisord refused a call
        |-- ProgramFailed            1    a program ended or never became ready
        |-- LicenseRefused           6    the license is Failed, or does not cover the stack
        |-- DeadlineExceeded         7    the time given was not enough
        `-- OperationLocked          9    another operation is under way
"""

from __future__ import annotations

from typing import ClassVar

from runtime.errors import AppError


class SuperviseError(AppError):
    """An operation on the stack failed.

    ``code`` is a constant word for scripts, ``message`` the cause, ``hint`` the fix.
    """

    code: ClassVar[str] = "operation_failed"

    def __init__(self, message: str, hint: str = "") -> None:
        """Keep cause and fix apart, so that JSON output can show both."""
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


class SupervisorUnreachable(SuperviseError):
    """Nobody answers on supervisord's socket, or we may not use it."""

    code = "supervisor_unreachable"
    exit_code = 4


class SupervisorFault(SuperviseError):
    """supervisord answered with a fault; ``fault`` is its number."""

    code = "supervisor_fault"

    def __init__(self, fault: int, message: str, hint: str = "") -> None:
        """Keep the fault number for callers that can go on after some of them."""
        super().__init__(message, hint)
        self.fault = fault


class ProgramFailed(SuperviseError):
    """A program ended, or was not ready within its time; ``log_lines`` are its last lines."""

    code = "program_failed"

    def __init__(self, program: str, message: str, hint: str = "", log_lines: tuple[str, ...] = ()) -> None:
        """Keep the program's name and the end of its log."""
        super().__init__(message, hint)
        self.program = program
        self.log_lines = log_lines


class LicenseRefused(SuperviseError):
    """The license does not allow what was asked."""

    code = "license_refused"
    exit_code = 6


class DeadlineExceeded(SuperviseError):
    """An operation took longer than it was given."""

    code = "timeout"
    exit_code = 7


class OperationLocked(SuperviseError):
    """Another start, stop or switch of the same stack is under way."""

    code = "locked"
    exit_code = 9
