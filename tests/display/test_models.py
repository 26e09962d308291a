from __future__ import annotations

import pytest

from cnai_magic.api.model_facts import Model, ModelFacts
from cnai_magic.display.models import build_models_table
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.servers import ScriptedServer, json_response

OFF_TO_MAX = ["·", "thinking", "off,", "low–max"]


def test_models_are_listed_with_their_prices_and_the_default_is_marked() -> None:
    models = [Model("deepseek-chat", "deepseek"), Model("qwen-max", "ali")]
    with ScriptedServer() as server:
        server.pricing = {"data": [{"model_name": "another", "model_ratio": 1, "completion_ratio": 1}]}
        session = KernelSession(
            Cnai(base_url=server.base_url, model="deepseek-chat", prices={"deepseek-chat": (1.68, 2.52)})
        )
        shown = repr(build_models_table(models, session)).split("\n")
        session.close()
    assert shown[2].split() == ["deepseek-chat", "deepseek", "$1.68", "$2.52", "default", *OFF_TO_MAX]
    assert shown[3].split()[:4] == ["qwen-max", "ali", "unpriced", "unpriced"]
    assert shown[-1] == "2 models; prices in USD per million tokens (set in this notebook)"


def test_models_of_a_server_on_this_machine_are_free_and_local() -> None:
    with ScriptedServer() as server:
        session = KernelSession(Cnai(base_url=server.base_url, model="m"))
        table = build_models_table([Model("m")], session)
        session.close()
    assert "(free, local)" in table.note


def test_prices_of_several_sources_say_where_each_is_from() -> None:
    with ScriptedServer() as server:
        told = {"model_name": "qwen-max", "quota_type": 0, "model_ratio": 0.5, "completion_ratio": 3}
        server.pricing = {"success": True, "data": [told]}
        session = KernelSession(Cnai(base_url=server.base_url, prices={"a": (1, 2, "0.25")}))
        table = build_models_table([Model("a"), Model("qwen-max"), Model("other")], session)
        session.close()
    assert table.headings == ["ID", "Input", "Output", "Cached input", "Price from", ""]
    assert table.rows[0][1:5] == ["$1.00", "$2.00", "$0.25", "set in this notebook"]
    assert table.rows[1][1:4] == ["$1.00", "$3.00", ""]
    assert table.rows[1][4].startswith("price list of 127.0.0.1, 20")
    assert table.rows[2][1:5] == ["unpriced", "unpriced", "", ""]
    assert "(" not in table.note


def test_one_model_is_not_called_models() -> None:
    assert "1 model;" in repr(
        build_models_table([Model("x")], KernelSession(Cnai(base_url="http://127.0.0.1:9/v1")))
    )


def test_what_is_known_of_models_is_shown_and_the_rest_left_empty() -> None:
    items = [
        {"id": "kimi-k2.6", "context_length": 262144, "supports_image_in": True, "supports_reasoning": True},
        {"id": "deepseek-v4-pro", "owned_by": "deepseek"},
        {"id": "x", "max_model_len": 200_000, "supported_parameters": ["tools", "reasoning"]},
        {"id": "qwen2.5-7b"},
        {"id": "y"},
    ]
    with ScriptedServer() as server:
        server.reply(json_response({"data": items}))
        session = KernelSession(Cnai(base_url=server.base_url, model="y"))
        table = build_models_table(session.models(), session)
        session.close()
    assert [row[-1] for row in table.rows] == [
        "thinking off, on · images · JSON · tools · 256K context",
        "thinking off, low–max · JSON · tools · 1M context",
        "thinking · tools · 200K context",
        "JSON · tools",
        "default",
    ]


@pytest.mark.parametrize(
    ("tokens", "shown"), [(8192, "8K"), (32_000, "32K"), (1_048_576, "1M"), (900, "900")]
)
def test_a_length_is_written_as_vendors_write_it(tokens: int, shown: str) -> None:
    session = KernelSession(Cnai(base_url="http://127.0.0.1:9/v1", model="m"))
    assert (
        build_models_table([Model("m", facts=ModelFacts(context=tokens))], session).rows[0][-1]
        == f"default · {shown} context"
    )
