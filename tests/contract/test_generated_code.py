"""The committed gRPC code is what the .proto says."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_generated_code_of_the_proto_is_fresh(tmp_path: Path) -> None:
    """Generating again yields the committed files, byte for byte."""
    subprocess.run(
        [
            sys.executable, "-m", "grpc_tools.protoc", "-I", ".",
            f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"--grpc_python_out={tmp_path}",
            "protos/asr_v1.proto",
        ],
        cwd=CHECKOUT,
        check=True,
    )  # fmt: skip
    generated = sorted(path.name for path in (tmp_path / "protos").iterdir())
    assert generated == ["asr_v1_pb2.py", "asr_v1_pb2.pyi", "asr_v1_pb2_grpc.py"]
    for name in generated:
        assert (tmp_path / "protos" / name).read_text() == (CHECKOUT / "protos" / name).read_text(), (
            f"{name} is stale: run `make protos`"
        )
