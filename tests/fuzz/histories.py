"""The random histories of notebooks that the tests follow, many more of them, and others in each run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

__all__ = ["search"]

_TESTS = (
    "tests/magics/test_document_rule.py::test_what_tells_the_order_is_followed_and_the_rest_is_told",
    "tests/magics/test_live_and_restored.py::test_a_kernel_sends_what_one_does_that_restores_its_notebook",
    "tests/magics/test_rerun_rule.py::test_any_sequence_of_runs_and_commands_follows_the_rule",
    "tests/notebook/test_restored_histories.py::test_a_document_brings_back_all_that_the_kernel_had",
    "tests/notebook/test_record.py::test_an_answer_comes_back_from_its_output_as_it_was",
    "tests/notebook/test_notebook_files.py"
    "::test_a_conversation_comes_back_from_the_notebook_it_was_exported_to",
    "tests/notebook/test_notebook_files.py::test_the_cell_of_a_question_asks_exactly_that",
)


def search(count: int, seed: int) -> Iterator[str]:
    """Yield what pytest says of each test that fails with `count` examples."""
    environment = {**os.environ, "CNAI_TEST_EXAMPLES": str(count)}
    for test in _TESTS:
        command = [sys.executable, "-m", "pytest", "-q", f"--hypothesis-seed={seed}", test]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"{test}\n{done.stdout[-20_000:]}{done.stderr[-2000:]}"
