"""Saved prompts and CNAI.md, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Kernel, Ran, running_kernel
from tests.servers import ScriptedServer, sse


@pytest.fixture(scope="module")
def shared_server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.always(sse("Yes."))
        yield running


@pytest.fixture
def server(shared_server: ScriptedServer) -> ScriptedServer:
    shared_server.requests.clear()
    return shared_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the notebook, empty."""
    folder = tmp_path / "lesson"
    folder.mkdir()
    return folder


@pytest.fixture
def kernel(folder: Path, shared_server: ScriptedServer) -> Iterator[Kernel]:
    with running_kernel(
        folder.parent,
        CNAI_BASE_URL=shared_server.base_url,
        CNAI_MODEL="some-model",
        CNAI_NOTEBOOK=str(folder / "lesson.ipynb"),
    ) as kernel:
        yield kernel


def write(folder: Path, name: str, text: str) -> None:
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / f"{name}.md").write_text(text, encoding="utf-8")


def body(server: ScriptedServer) -> dict[str, object]:
    return dict(server.requests[-1].json())


def question(server: ScriptedServer) -> str:
    return str(server.requests[-1].json()["messages"][-1]["content"])


def said(ran: Ran) -> str:
    return "\n".join([ran.stdout, *ran.error, ran.shown])


REVIEW = """---
model: reviewer
temperature: 0
system: You review {{ language }}.
variables:
  language: English
---
Review in {{ language }}: {{ input }}
"""


def test_a_question_uses_a_saved_prompt_and_may_set_its_own_options(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    write(folder, "review", REVIEW)
    kernel.run("code = 'x = 1'", "a")
    ran = kernel.run("%%cnai -T review\nthis: {{ code }}", "b")
    assert not ran.error, ran.error
    assert question(server) == "Review in English: this: x = 1"
    assert body(server)["model"] == "reviewer"
    assert body(server)["temperature"] == 0
    assert server.requests[-1].json()["messages"][0] == {
        "role": "system",
        "content": "You review English.",
    }
    # What is kept is what was sent.
    assert ran.final["prompt"] == "Review in English: this: x = 1"
    kernel.run(
        "%%cnai -T review -m other --temperature 1 -s Briefly --var language=German --var n=2 --once\n"
        "{{ language }} {{ n }}",
        "c",
    )
    assert question(server) == "Review in German: German 2"
    assert (body(server)["model"], body(server)["temperature"]) == ("other", 1)
    # In a line the braces of the question are text, those of the prompt are not.
    kernel.run("%cnai -T review --once what is {{ code }}", "d")
    assert question(server) == "Review in English: what is {{ code }}"
    kernel.run("%%cnai -T review --raw --once\n{{ code }}", "e")
    assert question(server) == "Review in English: {{ code }}"


def test_the_latest_question_is_saved_as_it_was_typed(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    assert "no question to save" in said(kernel.run("%cnai_prompt save sum", "a"))
    kernel.run("numbers = [1, 2]", "a")
    kernel.run("%%cnai -m adder --max-tokens 9\nAdd {{ numbers }}", "b")
    assert "Saved as prompts/sum.md." in said(kernel.run("%cnai_prompt save sum", "c"))
    assert (folder / "prompts" / "sum.md").read_text() == (
        "---\nmodel: adder\nmax_tokens: 9\n---\nAdd {{ numbers }}\n"
    )
    assert "--force" in said(kernel.run("%cnai_prompt save sum", "c"))
    assert not kernel.run("%cnai_prompt save sum --force", "c").error
    kernel.run("numbers = [3]", "a")
    kernel.run("%%cnai -T sum --once\n", "d")
    assert question(server) == "Add [3]"
    assert body(server)["max_tokens"] == 9
    assert not kernel.run("%cnai_prompt save mine --user", "e").error
    write(folder, "broken", f"---\n{'x' * 90}\n---\n")
    listed = said(kernel.run("%cnai_prompt", "f"))
    assert "sum" in listed
    assert "mine" in listed
    assert "line 2: 'xxx" in listed
    assert "x…" in listed
    assert "Add {{ numbers }}" in said(kernel.run("%cnai_prompt show sum", "g"))
    assert not kernel.run("%cnai_prompt delete sum", "h").error
    assert not (folder / "prompts" / "sum.md").exists()


def test_braces_of_a_prompt_that_stay_text_are_said_where_a_name_is_near(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    write(folder, "label", "---\nvariables:\n  language: English\n---\nIn {{ langage ! }}, \\frac{{a}}{{b}}.")
    ran = kernel.run("%%cnai -T label --once\n", "a")
    assert ran.stdout == ("{{ langage ! }} is sent as text: no expression; did you mean language?\n")
    assert question(server).startswith("In {{ langage ! }}, ")


_WRONG = {
    "-T reviw": "did you mean review?",
    "-T ../secret": "cannot be the name of a saved prompt",
    "-T broken": "line 2",
    "-T review --var language": "--var NAME=VALUE",
    "-T needs": "topic",
    "-T review --var lnguage=German": "did you mean language?",
}


def test_what_is_wrong_with_a_saved_prompt_sends_nothing(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    write(folder, "review", REVIEW)
    write(folder, "broken", "---\nno front matter\n---\nx")
    write(folder, "needs", "About {{ topic }}")
    (folder / "secret.md").write_text("secret")
    for line, expected in _WRONG.items():
        assert expected in said(kernel.run(f"%%cnai {line}\nx", "a")), line
        assert not server.requests, line


def test_cnai_md_beside_the_notebook_is_its_system_message_and_is_shown_once(
    kernel: Kernel, server: ScriptedServer, folder: Path
) -> None:
    def system() -> list[str]:
        messages = server.requests[-1].json()["messages"]
        return [each["content"] for each in messages if each["role"] == "system"]

    kernel.run("%%cnai\nBefore", "a")
    assert system() == []
    (folder / "CNAI.md").write_text("Answer in\none line.\n")
    ran = kernel.run("%%cnai\nFirst", "b")
    assert system() == ["Answer in\none line."]
    assert "CNAI.md" in ran.stdout
    assert "Answer in\none line." in ran.stdout
    assert "CNAI.md" not in kernel.run("%%cnai\nSecond", "c").stdout
    # Whatever a person sets comes first.
    kernel.run("%%cnai -s Own\nThird", "d")
    assert system() == ["Own"]
    kernel.run("%cnai_chat system Of this conversation", "e")
    kernel.run("%%cnai\nFourth", "f")
    assert system() == ["Of this conversation"]


def test_links_to_elsewhere_are_neither_read_nor_written(
    kernel: Kernel, server: ScriptedServer, folder: Path, tmp_path: Path
) -> None:
    private = tmp_path / "private"
    private.write_text("a private key")
    write(folder, "inside", "Inside")
    (folder / "prompts" / "key.md").symlink_to(private)
    (folder / "prompts" / "folder.md").mkdir()
    (folder / "prompts" / "same.md").symlink_to(folder / "prompts" / "inside.md")
    assert "no saved prompt 'key'" in said(kernel.run("%%cnai -T key\nx", "a"))
    assert "no saved prompt 'folder'" in said(kernel.run("%cnai_prompt delete folder", "b"))
    assert not kernel.run("%%cnai -T same --once\n", "c").error
    assert question(server) == "Inside"
    assert "is a link" in said(kernel.run("%cnai_prompt save key --force", "d"))
    assert private.read_text() == "a private key"
    asked = len(server.requests)
    (folder / "CNAI.md").symlink_to(private)
    ran = kernel.run("%%cnai\nHello", "e")
    assert "is a link" in said(ran)
    assert "a private key" not in said(ran)
    assert len(server.requests) == asked
