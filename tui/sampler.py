"""Load of this machine and of single programs: processor and memory from the kernel, GPUs from their driver."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil
import pynvml

from tui.store import Gpu, Machine

SAMPLE_PERIOD_S = 2.0
NVML_RETRY_S = 30.0
NO_LIBRARY = "no GPU (no NVIDIA driver)"


@dataclass(frozen=True, slots=True)
class Load:
    """Processor and memory of a process with its children; shared pages count once per process."""

    cpu_percent: float | None
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class _Times:
    at_s: float
    by_pid: dict[int, float]


class LoadSampler:
    """Load of programs between two looks; one thread at a time."""

    def __init__(self) -> None:
        """Start without a first look; processor shares come with the second."""
        self._before: dict[int, _Times] = {}
        self._loads: dict[int, Load] = {}
        self._sampled_at_s = -SAMPLE_PERIOD_S

    def loads(self, roots: Iterable[int]) -> dict[int, Load]:
        """Return the load of each process tree by the id of its root; newest at most 2 s old."""
        now_s = time.monotonic()
        wanted = set(roots)
        if now_s - self._sampled_at_s >= SAMPLE_PERIOD_S or not wanted <= self._loads.keys():
            self._sampled_at_s = now_s
            children = _children_by_parent()
            self._loads = {root: self._sample(root, children, now_s) for root in wanted}
            self._before = {root: times for root, times in self._before.items() if root in wanted}
        return self._loads

    def _sample(self, root: int, children: dict[int, list[int]], now_s: float) -> Load:
        times_s: dict[int, float] = {}
        rss_bytes = 0
        for pid in _tree(root, children):
            try:
                process = psutil.Process(pid)
                used = process.cpu_times()
                rss_bytes += process.memory_info().rss
            except psutil.Error:
                continue  # ended meanwhile
            times_s[pid] = used.user + used.system
        before = self._before.get(root)
        self._before[root] = _Times(now_s, times_s)
        if before is None or now_s <= before.at_s:
            return Load(None, rss_bytes)
        # A process that is new since the last look counts from its start, one that has ended not at all.
        spent_s = sum(total - before.by_pid.get(pid, 0.0) for pid, total in times_s.items())
        return Load(max(0.0, spent_s) / (now_s - before.at_s) * 100, rss_bytes)


def _children_by_parent() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for process in psutil.process_iter(["ppid"]):
        children.setdefault(process.info["ppid"], []).append(process.pid)
    return children


def _tree(root: int, children: dict[int, list[int]]) -> list[int]:
    found, open_ends = [], [root]
    while open_ends:
        pid = open_ends.pop()
        found.append(pid)
        open_ends += children.get(pid, [])
    return found


class MachineSampler:
    """Load of the whole machine; one thread at a time."""

    def __init__(self) -> None:
        """Ask for nothing yet."""
        self._gpus = _GpuSampler()
        self._machine = Machine()
        self._sampled_at_s = -SAMPLE_PERIOD_S

    def machine(self) -> Machine:
        """Return the load; newest at most 2 s old."""
        now_s = time.monotonic()
        if now_s - self._sampled_at_s >= SAMPLE_PERIOD_S:
            # psutil answers 0.0 to the first call: it has nothing to compare with.
            is_first = self._sampled_at_s < 0
            self._sampled_at_s = now_s
            cpu_percent = psutil.cpu_percent(interval=None)
            memory = psutil.virtual_memory()
            gpus = self._gpus.gpus(now_s)
            self._machine = Machine(
                cpu_percent=None if is_first else cpu_percent,
                cpu_count=psutil.cpu_count() or 0,
                ram_used_bytes=memory.total - memory.available,
                ram_total_bytes=memory.total,
                gpus=gpus,
                gpu_cause=self._gpus.cause,
            )
        return self._machine


class _GpuSampler:
    """GPUs through NVML; a driver that is not there is asked again every 30 s."""

    def __init__(self) -> None:
        self.cause = NO_LIBRARY
        self._handles: list[object] = []
        self._tried_at_s = -NVML_RETRY_S

    def gpus(self, now_s: float) -> tuple[Gpu, ...]:
        if not self._handles and now_s - self._tried_at_s >= NVML_RETRY_S:
            self._tried_at_s = now_s
            self._open()
        try:
            return tuple(_read_gpu(handle) for handle in self._handles)
        except pynvml.NVMLError as error:
            self._handles = []
            self.cause = f"GPU lost ({error})"
            return ()

    def _open(self) -> None:
        try:
            pynvml.nvmlInit()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
            self.cause = "" if self._handles else "no GPU"
        except pynvml.NVMLError_LibraryNotFound:
            self.cause = NO_LIBRARY
        except pynvml.NVMLError as error:
            self.cause = f"no GPU ({error})"


def _read_gpu(handle: object) -> Gpu:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    name = pynvml.nvmlDeviceGetName(handle)
    try:
        load: int | None = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    except pynvml.NVMLError:
        load = None  # not known under MIG
    text = name.decode() if isinstance(name, bytes) else str(name)
    return Gpu(text.removeprefix("NVIDIA "), load, int(memory.used), int(memory.total))
