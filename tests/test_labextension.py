"""The built extension of JupyterLab and Notebook 7, which the wheel puts into share/jupyter/labextensions."""

from __future__ import annotations

import json
from pathlib import Path

import cnai_magic

_BUILT = Path(cnai_magic.__file__).parent / "frontend" / "lab" / "built" / "labextensions" / "cnai-magic"


def test_it_has_the_version_of_the_package_and_names_the_file_to_load() -> None:
    package = json.loads((_BUILT / "package.json").read_text())
    assert (package["name"], package["version"]) == ("cnai-magic", cnai_magic.__version__)
    assert (_BUILT / package["jupyterlab"]["_build"]["load"]).is_file()


def test_it_is_small_and_holds_nothing_of_others() -> None:
    files = [each for each in _BUILT.rglob("*") if each.is_file()]
    assert sum(each.stat().st_size for each in files) <= 150_000
    [licenses] = [each for each in files if each.name == "third-party-licenses.json"]
    assert json.loads(licenses.read_text())["packages"] == []
