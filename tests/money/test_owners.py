"""Owners of holds; what a death leaves behind is tested in test_ledger and test_spending."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cnai_magic.money.journal import read_journal
from cnai_magic.money.owners import get_own_name, has_file, lock_dead_owners
from tests.forked_kernels.process import start_python

_NAME = "0123456789abcdef" * 2
_OTHER_PROCESS = """
import sys
from pathlib import Path
from cnai_magic.money.owners import lock_dead_owners

folder = Path(sys.argv[1])
with lock_dead_owners(folder) as dead:
    print(*(path.name for path in dead))
"""


def found_by_another_process(folder: Path) -> list[str]:
    with start_python(_OTHER_PROCESS, str(folder)) as process:
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return output.split()


def test_an_owner_that_is_alive_is_found_by_nobody(tmp_path: Path) -> None:
    name = get_own_name(tmp_path)
    assert has_file(tmp_path, name)
    assert found_by_another_process(tmp_path) == []
    with lock_dead_owners(tmp_path) as dead:
        assert not dead


def test_a_dead_owner_is_recovered_by_one_process_and_one_thread(tmp_path: Path) -> None:
    (tmp_path / _NAME).touch()
    assert found_by_another_process(tmp_path) == [_NAME]
    # As long as it is recovered its file is locked: a process that just made it would take another name.
    with lock_dead_owners(tmp_path) as dead, lock_dead_owners(tmp_path) as again:
        assert list(dead) == [tmp_path / _NAME]
        assert not again
        assert [read_journal(file) for file in dead.values()] == [[]]
        assert found_by_another_process(tmp_path) == []
    assert found_by_another_process(tmp_path) == [_NAME]


def test_a_file_that_is_not_an_owner_s_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").touch()
    (tmp_path / ("f" * 32)).mkdir()
    (tmp_path / _NAME).symlink_to(tmp_path / "notes")
    assert found_by_another_process(tmp_path) == []


def test_a_folder_that_cannot_be_used_any_more_closes_no_other_file(tmp_path: Path) -> None:
    folder = tmp_path / "owners"
    get_own_name(folder)
    folder.rename(tmp_path / "elsewhere")
    folder.touch()
    with pytest.raises(OSError, match="exists"):
        get_own_name(folder)
    # It has the number that the owner's file had.
    with (tmp_path / "notes").open("w") as notes:
        with pytest.raises(OSError, match="exists"):
            get_own_name(folder)
        assert os.fstat(notes.fileno())
    folder.unlink()
    assert has_file(folder, get_own_name(folder))
