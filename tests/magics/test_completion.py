"""Completion in a real kernel: what a front end is offered while somebody types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cnai_magic.demo import MODELS as MODELS_OF_DEMO
from tests.cases import check_each
from tests.kernels import Kernel, running_kernel
from tests.servers import ScriptedServer, json_response, sse

MODELS = ["deepseek-chat", "deepseek-reasoner", "qwen3/max"]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, server: ScriptedServer) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    (folder / "work" / "prompts").mkdir(parents=True)
    (folder / "work" / "prompts" / "review.md").write_text("Review")
    (folder / "work" / "sales figures.csv").touch()
    (folder / "work" / "sales.csv").touch()
    notebook = str(folder / "work" / "notebook.ipynb")
    with running_kernel(
        folder, CNAI_BASE_URL=server.base_url, CNAI_MODEL=MODELS[0], CNAI_NOTEBOOK=notebook
    ) as kernel:
        kernel.run(f"import os; os.chdir({str(folder / 'work')!r})")
        kernel.run(
            "sales_table = [1]\nsalary = 2\ndef sum_up(): ...\nclass Point: ...\npoint = Point(); point.x = 1"
        )
        kernel.run(
            "class Hostile:\n    @property\n    def __dict__(self): raise RuntimeError\nhostile = Hostile()"
        )
        server.reply(json_response({"data": [{"id": each} for each in MODELS]}))
        kernel.run("%cnai_models")
        server.reply(sse("Yes."))
        ran = kernel.run("%%cnai --new -c other\nHello?", "a")
        assert not ran.error, ran.error
        yield kernel


@check_each(
    ("code", "offered"),
    [
        ("%%cnai deeps", ["%%cnai deepseek-chat", "%%cnai deepseek-reasoner"]),
        ("%%cnai qwen3/m", ["%%cnai qwen3/max"]),
        ("%%cnai max", ["%%cnai qwen3/max"]),
        ("%%cnai -m deepseek-r", ["%%cnai -m deepseek-reasoner"]),
        ("%%cnai --model=qwen", ["%%cnai --model=qwen3/max"]),
        ("%cnai -m qwen", ["%cnai -m qwen3/max"]),
        ("answer = %cnai -m qwen", ["answer = %cnai -m qwen3/max"]),
        ("%%cnai --temp", ["%%cnai --temperature", "%%cnai --template"]),
        ("%%cnai --new --on|\nbody", ["%%cnai --new --once"]),
        ("\n\n%%cnai --on|\nbody", ["%%cnai --once"]),
        ("%%cnai -T re", ["%%cnai -T review"]),
        ("%%cnai --judge deepseek-c", ["%%cnai --judge deepseek-chat"]),
        ("%%cnai --compare deepseek-c", ["%%cnai --compare deepseek-chat"]),
        ("%%cnai --compare deepseek-chat,deep", ["%%cnai --compare deepseek-chat,deepseek-reasoner"]),
        ("%%cnai --grid te", ["%%cnai --grid temperature="]),
        ("%%cnai --grid temperature=0", ["%%cnai --grid temperature=0"]),
        ("%%cnai --over sales", ["%%cnai --over sales_table"]),
        ("%%cnai --over sales.", ["%%cnai --over sales.csv"]),
        ("%%cnai --expect sum", ["%%cnai --expect sum_up"]),
        ("%%cnai --tools sum_up,Po", ["%%cnai --tools sum_up,Point"]),
        ("%%cnai --rubric re", ["%%cnai --rubric review"]),
        ("%%cnai -o sal", ["%%cnai -o salary", "%%cnai -o sales_table"]),
        ("%%cnai --see ", ["%%cnai --see above"]),
        ("%cnai_models deepseek-c", ["%cnai_models deepseek-chat"]),
        ("%cnai_models --ref", ["%cnai_models --refresh"]),
        ("%cnai_chat ver", ["%cnai_chat versions"]),
        ("%cnai_chat use ma", ["%cnai_chat use main"]),
        ("%cnai_chat rate 1 g", ["%cnai_chat rate 1 good"]),
        ("%cnai_chat versions --k", ["%cnai_chat versions --keep"]),
        ("%cnai_prompt sh", ["%cnai_prompt show"]),
        ("%cnai_prompt show r", ["%cnai_prompt show review"]),
        ("%cnai_spend --by mo", ["%cnai_spend --by model"]),
        ("%cnai_chat use oth", ["%cnai_chat use other"]),
        ("%cnai_spend --csv sales", ["%cnai_spend --csv 'sales figures.csv'", "%cnai_spend --csv sales.csv"]),
        ("%cnai_fix --h", ["%cnai_fix --help", "%cnai_fix --hint"]),
        ("%%cnai --help r", ["%%cnai --help rows"]),
        ("%%cnai --think m", ["%%cnai --think medium", "%%cnai --think max"]),
        # Where nothing is known, IPython does not offer its own words.
        ("%%cnai --seed ", ["%%cnai --seed "]),
        ("%%cnai nosuch", ["%%cnai nosuch"]),
        # Names in a prompt, and nothing of Python in its text.
        ("%%cnai\nMean of {{ sal", ["Mean of {{ salary", "Mean of {{ sales_table"]),
        ("%%cnai\nMean of {{ salary + sales_t| }}", ["Mean of {{ salary + sales_table"]),
        ("%%cnai\nWhat is {{ point.x", ["What is {{ point.x"]),
        ("%%cnai\n{{ sales_table | he|", ["{{ sales_table | head"]),
        ("%%cnai\n{{ sales_table | head(2) }} {{ salar|", ["{{ sales_table | head(2) }} {{ salary"]),
        ("%%cnai\n{{ sales_table[sala", ["{{ sales_table[salary"]),
        ("%%cnai\n{{ In[1", ["{{ In[1"]),
        ("%%cnai\n{{ salary ", ["{{ salary "]),
        ("%%cnai\n{{ hostile.", []),
        ("%%cnai\nI want to impor", []),
        ("%%cnai\nprint sal", []),
        # Cells that ask nothing are Python's.
        ("sales_ta", ["sales_table"]),
    ],
)
def test_what_is_offered(kernel: Kernel, code: str, offered: list[str]) -> None:
    assert kernel.complete(code) == offered


def test_nothing_is_asked_while_somebody_types(kernel: Kernel, server: ScriptedServer) -> None:
    kernel.complete("%%cnai x")
    assert [request.path for request in server.requests] == ["/v1/models", "/v1/chat/completions"]


def test_models_are_offered_before_they_were_listed(tmp_path: Path, server: ScriptedServer) -> None:
    with running_kernel(tmp_path, CNAI_BASE_URL="demo") as kernel:
        assert kernel.complete("%%cnai demo-") == [f"%%cnai {each.id}" for each in MODELS_OF_DEMO]
        kernel.run(f"%config Cnai.base_url = {server.base_url!r}")
        assert kernel.complete("%%cnai ep-") == ["%%cnai ep-"]
        server.reply(sse("Yes."))
        assert not kernel.run("%%cnai ep-2024\nHello?", "a").error
        assert kernel.complete("%%cnai ep-") == ["%%cnai ep-2024"]
        assert server.requests[-1].path == "/v1/chat/completions"


def test_an_unloaded_extension_completes_nothing(tmp_path: Path) -> None:
    with running_kernel(tmp_path) as kernel:
        assert kernel.complete("%%cnai --onc") == ["%%cnai --once"]
        kernel.run("%unload_ext cnai_magic")
        assert kernel.complete("%%cnai --onc") == []
