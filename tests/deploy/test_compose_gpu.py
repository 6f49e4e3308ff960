"""The compose file for a GPU: what its images are built with, which GPU they get, and what outlives them."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared import cublas

ROOT = Path(__file__).parents[2]
BLOCKS: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "deploy/compose.gpu.yml").read_text())["services"]


@pytest.mark.parametrize("extra", ["", *{block["build"]["args"]["EXTRA"] for block in BLOCKS.values()}])
def test_an_image_installs_what_the_project_says_and_the_extra_it_is_built_with(extra: str) -> None:
    """The recipe's own command lists it; for a GPU that includes what CTranslate2 loads."""
    recipe = (ROOT / "deploy/Dockerfile").read_text().replace("\\\n", "")
    [listing] = re.findall(r"^RUN (python -c '[^']+' \"\$EXTRA\")", recipe, re.MULTILINE)
    environment = {"EXTRA": extra, "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(["/bin/sh", "-c", listing], env=environment, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - from our own file
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]
    assert done.stdout.decode().splitlines() == wanted
    assert any(each.startswith(cublas.WHEEL) for each in wanted) == bool(extra)


def test_the_gpu_is_one_by_its_number_so_that_it_can_be_another() -> None:
    """By a mere count every container would get the first one there is."""
    for block in BLOCKS.values():
        [device] = block["deploy"]["resources"]["reservations"]["devices"]
        assert device["device_ids"] == ["${SCRIBE_GPU:-0}"]


def test_what_the_driver_makes_for_a_gpu_outlives_the_container() -> None:
    """It lies below a folder that is a volume."""
    base = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    volumes = [mount.partition(":")[2] for mount in base["transcriber"]["volumes"]]
    made = Path(BLOCKS["transcriber"]["environment"]["CUDA_CACHE_PATH"])
    assert any(made.is_relative_to(volume) for volume in volumes)
