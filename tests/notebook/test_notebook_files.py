"""Notebook files: found, read, written, and run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from cnai_magic.api.parameters import check_parameters
from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition, KernelConversation
from cnai_magic.chat.forking import fork as begin_fork
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError
from cnai_magic.magics.arguments import collect_parameters
from cnai_magic.magics.ask import read_body
from cnai_magic.magics.chat_commands import run_chat_command
from cnai_magic.magics.parsers import build_ask_parser
from cnai_magic.magics.splitting import split_words
from cnai_magic.magics.transform import keep_body, keep_question_mark
from cnai_magic.money.cost import Cost
from cnai_magic.notebook import record
from cnai_magic.notebook.ipynb import read_notebook
from cnai_magic.notebook.messages_json import from_messages, to_messages
from cnai_magic.notebook.notebook_files import (
    find_notebook,
    find_possible_notebooks,
    find_saved_answers,
    read_saved_cells,
    restore_notebook,
    write_notebook,
)
from cnai_magic.notebook.record import build_bundle, build_metadata
from cnai_magic.notebook.restore import restore
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.display.answers import attempt
from tests.notebooks import code, execute, new_notebook
from tests.parameters import make_parameters
from tests.properties import Chance, by_chance, random_examples


def write(path: Path, *cells: tuple[str, str]) -> Path:
    """Write a notebook of cells (ID, source), the first of which holds an answer."""
    made = new_notebook(*(code(source, identifier=identifier) for identifier, source in cells))
    answer = nbformat.v4.new_output(
        "display_data", build_bundle(attempt()), metadata=build_metadata(attempt())
    )
    made.cells[0].outputs = [answer]
    nbformat.write(made, path)
    return path


# -- which notebook runs ------------------------------------------------------------------------


def test_the_notebook_that_jupyter_names_is_the_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    write(tmp_path / "b.ipynb", ("cell-b", "%%cnai\nhello"))
    assert find_notebook(str(path), cell="cell-a") == path
    assert find_notebook(str(path)) == path


def test_a_relative_name_is_one_in_the_folder_of_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    monkeypatch.chdir(tmp_path)
    assert find_notebook("a.ipynb", cell="cell-a") == path


def test_after_a_rename_it_is_the_one_that_holds_the_running_cell(tmp_path: Path) -> None:
    path = write(tmp_path / "renamed.ipynb", ("cell-a", "%%cnai\nhello"))
    write(tmp_path / "other.ipynb", ("cell-b", "%%cnai\nhello"))
    assert find_notebook(str(tmp_path / "before.ipynb"), cell="cell-a") == path
    write(tmp_path / "before.ipynb", ("cell-c", "a new notebook under the old name"))
    assert find_notebook(str(tmp_path / "before.ipynb"), cell="cell-a") == path


def test_a_cell_that_is_not_saved_yet_is_in_the_notebook_that_jupyter_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    write(tmp_path / "b.ipynb", ("cell-b", "%%cnai\nhello"))
    assert find_notebook(str(path), cell="new-cell") == path


def test_in_a_headless_run_it_is_the_one_that_holds_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = '%%cnai demo-echo -s "a \\"quoted\\" one"\nBücher and 漢字 {{ x }}\n\nlast'
    path = write(tmp_path / "a.ipynb", ("cell-a", source))
    write(tmp_path / "b.ipynb", ("cell-b", "%%cnai\nhello"))
    assert find_notebook("", source=source) == path
    assert find_notebook("", source=source + "\n") == path
    assert find_notebook("", source="%%cnai\nsomething else") is None
    assert find_notebook("", source="") is None


def test_two_that_hold_it_are_not_guessed_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.ipynb", ("cell", "%%cnai\nhello"))
    assert find_notebook("", source="%%cnai\nhello") is None
    held = find_possible_notebooks("", source="%%cnai\nhello")
    assert [each.name for each in held] == ["a.ipynb", "b.ipynb"]


def test_one_that_a_person_names_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    named = tmp_path / "missing.ipynb"
    assert find_notebook(str(named), exact=True, cell="cell-a") == named


def test_a_name_that_is_relative_to_another_folder_is_looked_for_beside_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's root is not the folder of the kernel, which is that of the notebook."""
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    monkeypatch.chdir(tmp_path)
    assert find_notebook("lessons/a.ipynb", cell="cell-a") == path
    assert find_notebook("lessons/a.ipynb", cell="new-cell") is None


def test_a_cell_is_found_however_its_file_is_laid_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    path.write_text(json.dumps(json.loads(path.read_text()), separators=(",", ":")))
    assert find_notebook(str(tmp_path / "before.ipynb"), cell="cell-a") == path
    assert find_notebook(str(tmp_path / "before.ipynb"), cell="cell") is None


def test_a_copy_of_the_notebook_is_not_taken_for_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    (tmp_path / "a-Copy1.ipynb").write_bytes(path.read_bytes())
    assert find_notebook(str(path), cell="cell-a") == path
    assert find_notebook(str(tmp_path / "before.ipynb"), cell="cell-a") is None


def test_a_line_that_only_begins_alike_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "a.ipynb", ("cell-a", "%cnai_chat restore"))
    write(tmp_path / "b.ipynb", ("cell-b", "%cnai_chat restore --from old.ipynb"))
    assert find_notebook("", source="%cnai_chat restore") == path


def test_a_home_that_nobody_has_is_a_name_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_notebook("~nobody-here/a.ipynb", exact=True) == tmp_path / "~nobody-here" / "a.ipynb"
    with pytest.raises(InputError):
        read_notebook(Path("~nobody-here/a.ipynb"))


def test_the_home_of_the_person_is_known(tmp_path: Path) -> None:
    home = Path.home()
    path = write(home / "a.ipynb", ("cell-a", "%%cnai\nhello"))
    assert find_notebook("~/a.ipynb", exact=True) == path
    assert len(read_notebook(Path("~/a.ipynb")).cells) == 1


# -- read ---------------------------------------------------------------------------------------


def test_the_answers_of_the_running_cell_are_found_by_its_id_or_its_source(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\n2+2?"), ("cell-b", "%%cnai\nother"))
    cells = read_saved_cells(path)
    assert [each.reply.text for each in find_saved_answers(cells, "cell-a", "")] == ["Four."]
    assert [each.reply.text for each in find_saved_answers(cells, None, "%%cnai\n2+2?\n")] == ["Four."]
    assert find_saved_answers(cells, "cell-b", "") == []
    with pytest.raises(InputError, match="there is no file"):
        read_saved_cells(tmp_path / "missing.ipynb")


def test_a_notebook_that_was_saved_again_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", ("cell-a", "%%cnai\n2+2?"))
    assert len(find_saved_answers(read_saved_cells(path), "cell-a", "")) == 1
    made = nbformat.read(path, as_version=4)
    made.cells[0].outputs = []
    nbformat.write(made, path)
    assert find_saved_answers(read_saved_cells(path), "cell-a", "") == []


def test_nothing_in_a_notebook_is_executed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    hostile = f"open({str(trap)!r}, 'w')"
    answer = attempt(hostile, prompt="{{ " + hostile + " }}", system=f"%%python\n{hostile}")
    made = new_notebook(hostile)
    data = {**build_bundle(answer), "text/html": f"<script>{hostile}</script>"}
    made.cells[0].outputs = [nbformat.v4.new_output("display_data", data, metadata=build_metadata(answer))]
    nbformat.write(made, tmp_path / "a.ipynb")
    (turn,) = restore_notebook(tmp_path / "a.ipynb").conversations["main"].turns
    assert turn.reply.prompt == answer.reply.prompt
    assert not trap.exists()


# -- written ------------------------------------------------------------------------------------

_PIECES = [
    "\n",
    "\r\n",
    " ",
    "\t",
    "{{ x }}",
    "%%cnai",
    "%timeit 1",
    "-s 'x'",
    '"',
    "'",
    "\\",
    "$x$",
    "```",
    "é",
    "漢",
]


def _make_text(chance: Chance, pieces: Sequence[str] = _PIECES) -> str:
    return chance.joined(pieces, 7, text=5) + chance.choice(pieces)


def _make_reply(chance: Chance) -> Reply:
    return Reply(
        f"a{_make_text(chance)}" if chance.flag() else f"{_make_text(chance)}a",
        _make_text(chance),
        chance.choice(["deepseek-chat", "qwen/qwen3-max", "a b'c"]),
        reasoning=chance.choice(["", _make_text(chance)]),
        system=chance.choice([None, _make_text(chance)]),
        parameters=make_parameters(chance),
        usage=Usage(chance.integer(0, 10**6), chance.integer(0, 10**6), estimated=chance.flag()),
        cost=Cost(chance.choice([None, chance.integer(0, 10**12)])),
        finish_reason=chance.choice(["stop", "length", "interrupted"]),
        demo=chance.flag(),
    )


def _make_turns(chance: Chance) -> list[list[Reply]]:
    return [[_make_reply(chance) for _ in range(chance.randint(1, 3))] for _ in range(chance.randint(0, 3))]


def _known(answer: Reply) -> Reply:
    """Return an answer without what is worked out anew, and without what UTF-8 cannot hold."""

    def sound(text: str) -> str:
        return text.encode("utf-8", "replace").decode()

    milliseconds = answer.started.replace(microsecond=answer.started.microsecond // 1000 * 1000)
    return replace(
        answer,
        text=sound(answer.text),
        prompt=sound(answer.prompt),
        reasoning=sound(answer.reasoning),
        system=None if answer.system is None else sound(answer.system),
        cost=Cost(answer.cost.nano, answer.usage.estimated),
        started=milliseconds,
        seconds=round(answer.seconds, 3),
    )


@random_examples()
@given(by_chance(_make_turns), st.sampled_from(["main", "plan"]))
def test_a_conversation_comes_back_from_the_notebook_it_was_exported_to(
    tmp_path_factory: pytest.TempPathFactory, turns: list[list[Reply]], name: str
) -> None:
    made = KernelConversation(name)
    for number, attempts in enumerate(turns):
        for answer in attempts:
            made.record(CellPosition(f"cell-{number}"), Attempt(answer, name))
    path = tmp_path_factory.getbasetemp() / "exported.ipynb"
    path.write_bytes(write_notebook(made))
    restored = restore(read_notebook(path).cells)
    assert restored.notes == []
    back = restored.conversations.get(name, KernelConversation(name))
    assert len(back.turns) == len(made.turns)
    for mine, theirs in zip(made.turns, back.turns, strict=True):
        assert [_known(each.reply) for each in mine.attempts] == [
            _known(each.reply) for each in theirs.attempts
        ]
        assert theirs.reply.id == mine.reply.id


def test_an_exported_notebook_is_valid_and_always_the_same() -> None:
    made = KernelConversation("main")
    made.record(CellPosition("a"), attempt())
    written = write_notebook(made)
    assert written == write_notebook(made)
    notebook = nbformat.reads(written.decode(), as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata


def test_an_exported_notebook_asks_the_same_again_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Executed against the demo gateway, every cell sends exactly the request that its output tells of."""
    monkeypatch.setenv("CNAI_BASE_URL", "demo")
    first = execute(
        new_notebook(
            "%load_ext cnai_magic",
            "%%cnai demo-echo --raw -c plan -s 'Be \"brief\".' -t 0.5 -n 900\n"
            "  indented {{ x }} {y}\n\n%%timeit\n-s 'x'",
            "%%cnai demo-echo -c plan\nand then $5?",
            "get_ipython().run_line_magic('cnai_chat', 'use plan')\n"
            "get_ipython().run_line_magic('cnai_chat', 'system two\\nlines')",
            "%%cnai demo-echo\nwith another system message",
            "%cnai_chat export exported.ipynb",
        ),
    )
    exported = nbformat.read("exported.ipynb", as_version=4)
    again = execute(exported)
    asked, repeated = (
        [
            output.metadata["cnai"]["request"]
            for cell in each.cells
            for output in cell.get("outputs", [])
            if "request" in output.get("metadata", {}).get("cnai", {})
        ]
        for each in (first, again)
    )
    assert len(asked) == 3
    assert asked == repeated
    nbformat.write(again, tmp_path / "again.ipynb")
    restored = restore_notebook(tmp_path / "again.ipynb")
    assert [turn.reply.prompt for turn in restored.conversations["plan"].turns][1:] == [
        "and then $5?",
        "with another system message",
    ]
    assert restored.conversations["plan"].last_system == "two\nlines"
    assert restored.current == "plan"


class _Recorder:
    """Stands for the shell where a cell is run: what the magics are called with."""

    def __init__(self) -> None:
        self.called: list[tuple[str, str, str]] = []

    def run_cell_magic(self, name: str, line: str, body: str) -> None:
        self.called.append((name, line, body))

    def run_line_magic(self, name: str, line: str) -> None:
        self.called.append((name, line, ""))


def run(source: str) -> tuple[str, str, str]:
    """Run a cell as IPython does, with the transformations of the extension; return the magic it calls."""
    transform = TransformerManager()
    transform.cleanup_transforms.insert(0, keep_body)
    transform.cleanup_transforms.append(keep_question_mark)
    shell = _Recorder()
    exec(transform.transform_cell(source), {"get_ipython": lambda: shell})
    (called,) = shell.called
    return called


def cells_with(made: KernelConversation, start: str) -> list[NotebookNode]:
    cells = nbformat.reads(write_notebook(made).decode(), as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and start in cell.source]


_ODD = [
    ">>> 1 + 1\n",
    "  >>> x\n... y\n",
    "In [1]: x\n",
    "   ...: y\n",
    "   \n",
    "\t\n",
    "%cnai What is this?\n",
    "x = %cnai Why?\n",
    "What?\n",
    "?print\n",
    "!ls\n",
    "%%cnai --once\n",
    "\x0c",
    "\u2028",
    "\x85",
    "\x00",
    "'''",
    '"""',
]


def _make_prompt(chance: Chance) -> str:
    prompt = _make_text(chance, [*_ODD, *_PIECES])
    return prompt if prompt.strip() else f"{prompt}a"


@random_examples()
@given(
    by_chance(_make_prompt),
    by_chance(lambda chance: chance.choice([None, chance.text(20)])),
    st.sampled_from(["deepseek-chat", "qwen/qwen3-max", "a b'c", "-m", "--once"]),
    by_chance(make_parameters),
    st.sampled_from(["main", "plan", "it's", "`x`"]),
)
def test_the_cell_of_a_question_asks_exactly_that(
    prompt: str, system: str | None, model: str, parameters: dict[str, Any], name: str
) -> None:
    prompt, system = ((text or "").encode("utf-8", "replace").decode() for text in (prompt, system))
    made = KernelConversation(name)
    answer = attempt("yes", prompt=prompt, system=system or None, model=model, parameters=parameters)
    made.record(CellPosition("a"), replace(answer, conversation=name))
    cells = nbformat.reads(write_notebook(made).decode(), as_version=4).cells[2:]
    magic, line, body = run(cells.pop().source)
    assert (magic, read_body(body)) == ("cnai", prompt)
    asked = build_ask_parser().parse(split_words(line))
    assert (asked.model or asked.model_option) == model
    assert asked.chat == ("" if name == "main" else name)
    assert not asked.once
    assert asked.tools == (",".join(parameters.pop("tools")) if "tools" in parameters else None)
    assert check_parameters(collect_parameters(asked)) == parameters
    kernel = KernelSession(Cnai())
    for cell in cells:
        magic, line, _ = run(cell.source)
        assert magic == "cnai_chat"
        run_chat_command(kernel, line, lambda: None)
    assert kernel.conversations.current == name
    assert (asked.system or kernel.conversations[name].last_system or "") == system


def test_a_cell_is_written_as_a_person_would() -> None:
    made = KernelConversation("main")
    answer = attempt(prompt="  indented\n\n%%time\nénd", parameters={}, system="Be brief.")
    made.record(CellPosition("a"), answer)
    (cell,) = cells_with(made, "%%cnai")
    assert cell.source == "%%cnai deepseek-chat -s 'Be brief.'\n  indented\n\n%%time\nénd"


def test_a_system_message_stands_with_each_question_or_is_set_where_it_does_not_fit() -> None:
    made = KernelConversation("main")
    for number, system in enumerate(["Be brief.", "Be brief.", None, "two\nlines", "two\nlines"]):
        made.record(CellPosition(str(number)), attempt(prompt=f"q{number}", system=system, parameters={}))
    sources = [cell.source.split("\n")[0] for cell in cells_with(made, "cnai")][1:]
    assert sources == [
        "%%cnai deepseek-chat -s 'Be brief.'",
        "%%cnai deepseek-chat -s 'Be brief.'",
        "%%cnai deepseek-chat",
        "get_ipython().run_line_magic('cnai_chat', 'system \"two\\nlines\"')",
        "%%cnai deepseek-chat",
        "%%cnai deepseek-chat",
    ]


@pytest.mark.parametrize("system", ["Be brief.", "two\nlines", '"quoted"', "  blanks  ", ""])
@pytest.mark.parametrize("turns", [0, 1])
def test_a_system_message_that_no_question_has_yet_is_kept(tmp_path: Path, system: str, turns: int) -> None:
    made = KernelConversation("plan", system)
    for _ in range(turns):
        made.record(CellPosition("a"), attempt(system="Another.", conversation="plan"))
    path = tmp_path / "a.ipynb"
    path.write_bytes(write_notebook(made))
    restored = restore_notebook(path)
    assert (restored.conversations["plan"].last_system or "") == system
    assert restored.current == "plan"


def test_a_model_that_is_not_known_is_left_to_the_settings() -> None:
    made = from_messages('[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]', "main")
    (cell,) = cells_with(made.conversation, "%%cnai")
    assert cell.source == "%%cnai\nq"


def test_the_name_of_a_conversation_is_plain_text() -> None:
    made = KernelConversation("<img/src=x/onerror=alert(1)>")
    title = nbformat.reads(write_notebook(made).decode(), as_version=4).cells[0].source
    assert "<" not in title
    assert title.startswith("# Conversation ")


def test_half_a_character_does_no_harm() -> None:
    made = KernelConversation("main", "a\ud800b\n")
    assert "a?b" in write_notebook(made).decode()


def test_each_answer_tells_what_the_exported_notebook_has_spent_so_far() -> None:
    made = KernelConversation("main")
    for cell in "aab":
        made.record(CellPosition(cell), attempt(id=f"{cell}{len(made.turns)}", demo=cell == "b"))
    footers = [each.outputs[0].metadata.cnai.footer for each in cells_with(made, "%%cnai")]
    assert "notebook $0.000108" in footers[0]
    assert "notebook $0.000054" in footers[1]


def test_an_exported_conversation_is_begun_by_its_command_alone(tmp_path: Path) -> None:
    made = KernelConversation("plan")
    made.record(CellPosition("a"), attempt(conversation="plan", began=True))
    path = tmp_path / "a.ipynb"
    path.write_bytes(write_notebook(made))
    begun_by = restore_notebook(path).conversations["plan"].begun_by
    assert begun_by == CellPosition("cnai-2", kind="command")


def test_more_attempts_than_are_saved_leave_out_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "MOST_OTHERS", 100)
    made = KernelConversation("main")
    for number in range(110):
        made.record(CellPosition("a"), attempt(prompt=f"q{number}", id=str(number)))
    path = tmp_path / "a.ipynb"
    path.write_bytes(write_notebook(made))
    (turn,) = restore_notebook(path).conversations["main"].turns
    assert [each.number for each in turn.attempts] == list(range(10, 111))
    assert turn.reply.prompt == "q109"


def test_a_fork_that_was_exported_is_a_conversation_of_its_own(tmp_path: Path) -> None:
    made = KernelConversation("main")
    made.record(CellPosition("a"), attempt(prompt="first"))
    fork = begin_fork(made, "plan")
    fork.record(CellPosition("a"), attempt(prompt="otherwise", conversation="plan", id="other"))
    path = tmp_path / "a.ipynb"
    path.write_bytes(write_notebook(fork))
    restored = restore_notebook(path)
    assert [name for name, each in restored.conversations.items() if each.turns] == ["plan"]
    (turn,) = restored.conversations["plan"].turns
    assert [(each.number, each.reply.prompt) for each in turn.attempts] == [(1, "first"), (2, "otherwise")]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run in the folder of the test."""
    monkeypatch.chdir(tmp_path)


def test_an_exported_notebook_keeps_the_parts_of_a_question_and_its_calls_of_tools(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Look: "}, image]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
        {"role": "assistant", "content": "Two."},
    ]
    read = from_messages(json.dumps(messages), "main").conversation
    file = tmp_path / "exported.ipynb"
    file.write_bytes(write_notebook(read))
    cells, notes = read_notebook(file)
    assert list(notes) == []
    assert cells[-1].source.endswith("Look: [image: image/png]")
    assert "iVBORw0KGgo" not in file.read_text(encoding="utf-8")
    back = restore(cells).conversations["main"]
    messages[0]["content"][1] = {"type": "text", "text": "[image: image/png, not kept]"}  # type: ignore[index]
    assert json.loads(to_messages(back))["messages"] == messages
