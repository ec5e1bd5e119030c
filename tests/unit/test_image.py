"""The cache of built kernels: found by recipe, newest source first; what a build lacks is said."""

import subprocess
from pathlib import Path

import pytest

from emulator.errors import CapabilityError
from emulator.kernel import image


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    image.cache_dir().mkdir(parents=True)
    return image.cache_dir()


def put(cache: Path, name: str, mode: int = 0o755) -> Path:
    path = cache / name
    path.write_bytes(b"kernel")
    path.chmod(mode)
    return path


def test_nothing_built_says_how_to_build(cache: Path) -> None:
    assert image.find() is None and "lasermesh kernel build" in image.missing()


def test_the_newest_source_of_the_present_recipe_is_used(cache: Path) -> None:
    put(cache, image.name_for("6.12.9-1"))
    newest = put(cache, image.name_for("6.12.117-1~deb12u1"))
    put(cache, "linux-6.12.200-1-0123456789")  # another recipe's
    put(cache, image.name_for("6.12.300-1"), mode=0o644)  # not whole: never made executable
    put(cache, f"{image.name_for('6.12.301-1')}.new")
    assert image.find() == newest and image.missing() == ""


def test_all_that_makes_a_kernel_is_in_its_name() -> None:
    name = image.name_for("6.12.1-1")
    assert name.startswith("linux-6.12.1-1-") and name == image.name_for("6.12.1-1")
    assert name.rpartition("-")[2] != image.name_for("6.12.2-1").rpartition("-")[2]


def test_clean_removes_every_kernel_and_nothing_else(cache: Path) -> None:
    kernels = [put(cache, "linux-6.12.1-1-0123456789"), put(cache, image.name_for("6.12.2-1"))]
    lock = put(cache, "lock")
    assert image.clean() == sorted(kernels)
    assert list(cache.iterdir()) == [lock]


def test_a_build_names_the_packages_that_lack(cache: Path, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no tools at all
    with pytest.raises(CapabilityError, match=r"apt-get install .*gcc.*flex") as caught:
        image.build(lambda what, done: None)
    assert "binutils" in str(caught.value)
    assert not list(cache.glob("linux-*"))


def test_patches_apply_one_after_the_other_to_the_files_they_name() -> None:
    """Each is a header, its licence, and hunks of files of the kernel's tree."""
    assert [path.name[:4] for path in image.patches()] == ["0001", "0002", "0003", "0004"]
    for path in image.patches():
        text = path.read_text()
        assert "SPDX-License-Identifier: GPL-2.0" in text
        done = subprocess.run(
            ["git", "apply", "--numstat", path], capture_output=True, text=True, check=True
        )
        files = [line.split("\t")[2] for line in done.stdout.splitlines()]
        ours = ("arch/um/", "drivers/char/", "net/sched/")
        assert files and all(name.startswith(ours) for name in files)
