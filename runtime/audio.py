"""Audio as clients and files hold it -> 16 kHz mono PCM16, the one form recognisers take."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soxr

from runtime.errors import AppError

TARGET_RATE_HZ: Final = 16_000
MIN_RATE_HZ: Final = 8_000
MAX_RATE_HZ: Final = 96_000
PCM16_SAMPLE_BYTES: Final = 2

_WAVE_FORMAT_PCM = 1
_WAVE_FORMAT_EXTENSIBLE = 0xFFFE
_UNKNOWN_SIZE = 0x7FFFF000  # writers to a pipe put this, or more, where the length belongs

Samples = npt.NDArray[np.int16]


class AudioFileError(AppError):
    """An audio file is missing or holds something that cannot be streamed."""

    exit_code = 2


class PcmEncoding(StrEnum):
    """Uncompressed encodings of the protocol, by their names in it."""

    PCM_S16LE = "pcm_s16le"
    PCM_MULAW = "pcm_mulaw"

    @property
    def sample_bytes(self) -> int:
        """Bytes one sample takes."""
        return PCM16_SAMPLE_BYTES if self is PcmEncoding.PCM_S16LE else 1


def duration_ms(byte_count: int, encoding: PcmEncoding, sample_rate_hz: int) -> float:
    """Return how many milliseconds of audio ``byte_count`` bytes hold."""
    return byte_count * 1000 / (encoding.sample_bytes * sample_rate_hz)


def _mulaw_table() -> Samples:
    """Return the PCM16 value of each of the 256 mu-law codes (ITU-T G.711, table 2, scaled to 16 bits)."""
    codes = ~np.arange(256, dtype=np.uint8)  # all bits travel inverted
    exponent = (codes.astype(np.int32) >> 4) & 0x07
    mantissa = codes.astype(np.int32) & 0x0F
    magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)


_MULAW_TO_PCM16: Final = _mulaw_table()


def decode_mulaw(data: bytes) -> Samples:
    """Return the samples of G.711 mu-law bytes, one int16 per byte."""
    return _MULAW_TO_PCM16[np.frombuffer(data, dtype=np.uint8)]


class _Resampler:
    """One stream of samples brought to the target rate.

    It computes in float32: with integer output soxr adds dither that depends on where the calls
    cut the stream, so equal audio would give unequal samples.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._stream = soxr.ResampleStream(sample_rate_hz, TARGET_RATE_HZ, 1, dtype="float32", quality="HQ")

    def take(self, samples: npt.NDArray[np.int16] | npt.NDArray[np.float32], *, last: bool = False) -> Samples:
        resampled = self._stream.resample_chunk(samples.astype(np.float32), last=last)
        return _to_int16(resampled)


def _to_int16(samples: npt.NDArray[np.float32]) -> Samples:
    return np.clip(np.rint(samples), -32768, 32767).astype(np.int16)


class PcmDecoder:
    """Turn one session's audio bytes into 16 kHz mono PCM16, chunk by chunk.

    The bytes that come out, ``flush`` included, depend only on the bytes that went in, not on how
    they were cut. At other rates than 16 kHz the output lags behind the input (measured: at most
    114 ms at 8 kHz, 75 ms from 22.05 kHz on) but is not shifted: output sample n is time n / 16 ms.
    """

    def __init__(self, encoding: PcmEncoding | str, sample_rate_hz: int) -> None:
        """Start a stream.

        Args:
            encoding: how samples are stored.
            sample_rate_hz: 8000 to 96000.

        Raises:
            ValueError: an unknown encoding, or a rate out of range.
        """
        if not MIN_RATE_HZ <= sample_rate_hz <= MAX_RATE_HZ:
            raise ValueError(f"sample rate {sample_rate_hz} Hz is not within {MIN_RATE_HZ} to {MAX_RATE_HZ}")
        self.encoding = PcmEncoding(encoding)
        self.sample_rate_hz = sample_rate_hz
        self._resampler = None if sample_rate_hz == TARGET_RATE_HZ else _Resampler(sample_rate_hz)
        self._stray = b""
        self._received_samples = 0

    @property
    def received_ms(self) -> int:
        """Whole milliseconds of audio received so far."""
        return self._received_samples * 1000 // self.sample_rate_hz

    def decode(self, data: bytes) -> bytes:
        """Take bytes cut anywhere; return the PCM16 that is ready, often of another length, maybe empty."""
        samples = self._samples(data)
        self._received_samples += len(samples)
        if self._resampler is None or not len(samples):
            return samples.tobytes()
        return self._resampler.take(samples).tobytes()

    def flush(self) -> bytes:
        """Return the rest of the stream; a stray last byte is dropped. Nothing may be decoded afterwards."""
        self._stray = b""
        if self._resampler is None:
            return b""
        resampler, self._resampler = self._resampler, None
        return resampler.take(np.zeros(0, dtype=np.int16), last=True).tobytes()

    def _samples(self, data: bytes) -> Samples:
        if self.encoding is PcmEncoding.PCM_MULAW:
            return decode_mulaw(data)
        data = self._stray + data
        whole = len(data) - len(data) % PCM16_SAMPLE_BYTES
        self._stray = data[whole:]
        return np.frombuffer(data[:whole], dtype="<i2").astype(np.int16, copy=False)


@dataclass(frozen=True, slots=True)
class WavAudio:
    """The audio of a WAV file.

    Attributes:
        pcm16: little endian samples, channels interleaved.
    """

    pcm16: bytes
    sample_rate_hz: int
    channels: int

    @property
    def frame_count(self) -> int:
        """Samples per channel."""
        return len(self.pcm16) // (PCM16_SAMPLE_BYTES * self.channels)

    @property
    def duration_ms(self) -> float:
        """Length of the recording."""
        return self.frame_count * 1000 / self.sample_rate_hz


def read_wav(path: Path) -> WavAudio:
    """Read a 16-bit PCM WAV file of any rate and number of channels.

    Raises:
        AudioFileError: no such file, not WAV, not 16-bit PCM, no audio in it, or cut off.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise AudioFileError(f"{path}: no such file") from None
    except OSError as error:
        raise AudioFileError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return parse_wav(content)
    except AudioFileError as error:
        raise AudioFileError(f"{path}: {error}") from None


def parse_wav(content: bytes) -> WavAudio:
    """Return the audio of a 16-bit PCM WAV file's bytes.

    Raises:
        AudioFileError: as ``read_wav``, without the path.
    """
    if not content:
        raise AudioFileError("the file is empty")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise AudioFileError("not a WAV file")
    layout: tuple[int, int] | None = None
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        at += 8
        body = content[at : at + size]
        if name == b"fmt ":
            layout = _parse_format(body)
        elif name == b"data":
            if layout is None:
                raise AudioFileError("not a WAV file: audio comes before its format")
            return _audio(body, size, *layout)
        at += size + size % 2  # chunks start at even offsets
    raise AudioFileError("cut off: the header is there, the audio is not")


def _parse_format(body: bytes) -> tuple[int, int]:
    """Return (channels, sample rate in Hz) of a ``fmt`` chunk."""
    if len(body) < 16:
        raise AudioFileError("cut off within the header")
    tag, channels, sample_rate_hz, _, _, sample_bits = struct.unpack_from("<HHIIHH", body)
    if tag == _WAVE_FORMAT_EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)
    if tag != _WAVE_FORMAT_PCM or sample_bits != 8 * PCM16_SAMPLE_BYTES:
        raise AudioFileError(f"expected 16-bit PCM, found format {tag} with {sample_bits} bits")
    if channels < 1 or sample_rate_hz < 1:
        raise AudioFileError(f"a header with {channels} channels at {sample_rate_hz} Hz makes no sense")
    return channels, sample_rate_hz


def _audio(body: bytes, size: int, channels: int, sample_rate_hz: int) -> WavAudio:
    if len(body) < size < _UNKNOWN_SIZE:
        raise AudioFileError(f"cut off: {size} bytes of audio announced, {len(body)} found")
    frame_bytes = PCM16_SAMPLE_BYTES * channels
    whole = len(body) - len(body) % frame_bytes
    if whole == 0:
        raise AudioFileError("no audio in it")
    return WavAudio(body[:whole], sample_rate_hz, channels)


def to_mono_16k(audio: WavAudio) -> bytes:
    """Return a recording as 16 kHz mono PCM16: channels averaged, then resampled."""
    frames = np.frombuffer(audio.pcm16, dtype="<i2").reshape(-1, audio.channels)
    mono = frames.mean(axis=1, dtype=np.float32)
    if audio.sample_rate_hz == TARGET_RATE_HZ:
        return _to_int16(mono).tobytes()
    return _Resampler(audio.sample_rate_hz).take(mono, last=True).tobytes()
