"""`--logprobs`: the tokens of an answer with their probabilities, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, running_kernel, saved_as
from tests.servers import ScriptedServer, sse


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.run("%cnai Hello")  # the first answer comes with a notice about the key
        yield kernel


@pytest.mark.parametrize("line", ["--logprobs 2", "--logprobs 2 --no-stream"])
def test_the_demo_model_that_has_probabilities_shows_them(kernel: Kernel, line: str) -> None:
    ran = kernel.run(f"%%cnai demo-ngram --once -n 12 --seed 1 {line}\nThe value of", "a")
    assert not ran.error, ran.error
    shaded = [each["data"]["text/html"] for each in ran.of("display_data") if "text/html" in each["data"]]
    assert len(shaded) == 1
    assert "background-color" in shaded[0]
    assert "likely here" in shaded[0]
    found = kernel.value("[tuple(each) for each in _cnai.logprobs]")
    assert len(found) == 12
    assert "".join(token for token, _, _ in found) == kernel.value("_cnai.text")
    for _, logprob, others in found:
        assert logprob <= 0
        assert len(others) <= 2
        assert others == tuple(sorted(others, key=lambda pair: -pair[1]))
        # Nothing is likelier than the first of the others.
        assert logprob <= others[0][1]
    table = kernel.run("_cnai.logprobs", "b").of("execute_result")[0]["data"]
    assert "| probability |" in table["text/markdown"].replace("  ", " ")
    assert "%" in table["text/plain"]
    # Alone, the option shows three others; the footer says nothing odd.
    assert "gave no probabilities" not in ran.final["footer"]
    kernel.run("%cnai -m demo-ngram --once -n 3 --logprobs The value of", "c")
    assert kernel.value("max(len(each.alternatives) for each in _cnai.logprobs)") == 3


def test_probabilities_are_replayed_and_restored(kernel: Kernel, tmp_path: Path) -> None:
    cell, path = (
        "%%cnai demo-ngram -c kept -n 9 --seed 1 --logprobs 1\nThe value of",
        tmp_path / "saved.ipynb",
    )
    ran = kernel.run(cell, "k")
    assert kernel.value("len(_cnai.logprobs)") == 9
    saved_as(path, ("k", cell, ran))
    folder = tmp_path / "kernel"
    folder.mkdir()
    with running_kernel(folder, CNAI_BASE_URL="demo", CNAI_REPLAY="1", CNAI_NOTEBOOK=str(path)) as other:
        assert "1 turn" in other.run("%cnai_chat restore").shown
        again = other.run(cell, "k")
        assert "replayed" in again.final["footer"]
        assert again.final["logprobs"] == ran.final["logprobs"]
        assert "background-color" in str(again.messages)
        assert other.value("''.join(each.token for each in _cnai.logprobs) == _cnai.text")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with ScriptedServer() as server, running_kernel(tmp_path, CNAI_BASE_URL=server.base_url) as kernel:
        server.always(sse("Yes."))
        ran = kernel.run("%%cnai some-model --logprobs\nIs it?", "a")
        assert server.requests[-1].json()["logprobs"] is True
        assert server.requests[-1].json()["top_logprobs"] == 3
        assert "the server gave no probabilities" in ran.final["footer"]
        assert not [each for each in ran.of("display_data") if "text/html" in each["data"]]
        assert kernel.run("_cnai.logprobs", "b").shown == "no probabilities"
        kernel.run("%%cnai some-model\nIs it?", "c")
        assert "logprobs" not in server.requests[-1].json()


def test_a_demo_model_without_probabilities_names_the_one_that_has_them(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai demo-guide --once --logprobs\nHello", "d")
    assert "demo-ngram does" in "\n".join(ran.error)


@pytest.mark.parametrize("line", ["--logprobs=21", "--logprobs 99", "--logprobs=-1", "--logprobs=x"])
def test_a_wrong_number_is_an_error(kernel: Kernel, line: str) -> None:
    ran = kernel.run(f"%%cnai demo-ngram --once {line}\nHello", "e")
    assert "not a whole number from 0 to 20" in "\n".join(ran.error)
    assert not ran.of("display_data")


def test_a_token_of_an_answer_cannot_write_html(kernel: Kernel) -> None:
    html = kernel.value(
        "__import__('cnai_magic.display.shaded_answer', fromlist=['_']).ShadedAnswer(["
        "__import__('cnai_magic.api.logprobs', fromlist=['_']).TokenProbability("
        "'<img src=x onerror=f()>$x$', -1.0, (('\"><script>', -1.0),))])._repr_html_()"
    )
    assert "<img" not in html
    assert "<script>" not in html
