"""What a built wheel holds, and what an installation without extras pulls in."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
OUR_PACKAGES = {"runtime", "services", "protos", "tui"}


def build(what: str, source: Path, target: Path) -> None:
    """Build an sdist or a wheel."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", what, "--directory", target],
        cwd=source,
        check=True,
        capture_output=True,
    )


def test_wheel_from_the_sdist_holds_our_four_packages_and_the_supervisor_file(tmp_path: Path) -> None:
    """Nothing is lost on the way source -> sdist -> wheel, and no test or sample code ships in the wheel."""
    build("sdist", CHECKOUT, tmp_path)
    archive = next(tmp_path.glob("*.tar.gz"))
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path], check=True)
    build("wheel", tmp_path / archive.name.removesuffix(".tar.gz"), tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    top_level = {name.split("/")[0] for name in names if ".dist-info" not in name and ".data" not in name}
    assert top_level == OUR_PACKAGES
    assert any(name.endswith("data/etc/aai/supervisord.conf") for name in names)
    tracked = subprocess.run(
        ["git", "ls-files", *OUR_PACKAGES], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(tracked) <= set(names)


def test_runtime_dependencies_name_no_torch() -> None:
    """Only the gpu extra may pull torch; `make run` on a machine without a GPU must not."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert not [name for name in project["dependencies"] if name.startswith(("torch", "transformers", "silero"))]
    assert [name for name in project["optional-dependencies"]["gpu"] if name.startswith("torch")]
