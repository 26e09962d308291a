"""A lesson that was saved with its answers runs again without a server, a key, or a cent."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from cnai_magic.api.token_usage import Usage
from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.conversation import CellPosition
from cnai_magic.chat.rating import make_rating
from cnai_magic.chat.reply import Reply
from cnai_magic.errors import InputError, ReplayError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.money.cost import Cost, Spend
from cnai_magic.money.ledger import Ledger
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import Options, Question
from cnai_magic.session.replay import find_saved_answer
from cnai_magic.settings import Cnai
from tests.kernels import Kernel, running_kernel
from tests.notebooks import FrontEnd, code, new_notebook
from tests.options import options_of
from tests.servers import KEY, ScriptedServer, sse
from tests.test_headless import run_program

# -- which answer -------------------------------------------------------------------------------


@pytest.fixture
def session() -> KernelSession:
    """A session whose server nobody runs."""
    session = KernelSession(
        Cnai(base_url="http://127.0.0.1:9/v1", prices={"m": (1, 2)}, ledger="off", replay=True)
    )
    session.use_key(ApiKey(KEY))
    return session


def saved(
    session: KernelSession, prompt: str, text: str = "yes", index_in_cell: int = 0, **options: Any
) -> Attempt:
    """Return the answer to a question as a notebook has saved it."""
    question = session.prepare(
        prompt, options_of({"model": "m", **options}), position=CellPosition("c", index_in_cell)
    )
    request = question.request
    reply = Reply(
        text,
        prompt,
        request.model,
        system=question.system,
        parameters=request.parameters,
        usage=Usage(20, 8),
        cost=Cost(36_000),
        request=request.digest,
    )
    return Attempt(
        reply,
        turn=0 if question.options.once else 1,
        turn_id="t",
        index_in_cell=index_in_cell,
    )


def texts(session: KernelSession, name: str = "main") -> list[str]:
    return [turn.reply.text for turn in session.conversations[name].turns]


def test_the_answer_to_the_same_request_is_given_again_marked_and_free(session: KernelSession) -> None:
    answer = saved(session, "Hi?", system="Be brief.", temperature=0)
    for _ in range(2):
        reply = session.replay(
            "Hi?",
            [answer],
            Options(system="Be brief.", parameters={"temperature": 0}),
            position=CellPosition("c"),
        )
    assert (reply.text, reply.replayed, reply.id) == ("yes", True, answer.id)
    assert session.latest_attempt is not None
    assert (session.latest_attempt.turn, session.latest_attempt.number) == (1, 1)
    assert "replayed" in reply.footer
    assert texts(session) == ["yes"]
    assert session.latest is reply
    assert session.book.get_total() == session.book.get_notebook() == Spend()
    assert session.book.get_replayed().requests == 1
    assert session.book.get_replayed().nano == 36_000


def test_a_replayed_answer_keeps_the_latest_rating(session: KernelSession) -> None:
    first, second = (make_rating(each, "", datetime(2026, 1, each, tzinfo=timezone.utc)) for each in (1, 2))
    answer = replace(saved(session, "Hi?"), rating=first)
    session.replay("Hi?", [answer], position=CellPosition("c"))
    (turn,) = session.conversations.in_use.turns
    assert turn.attempt.rating == first
    session.conversations.rate(answer.id, second)
    session.replay("Hi?", [answer], position=CellPosition("c"))
    assert turn.attempt.rating == second


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"model": "other"}, "the model was m, and is other"),
        ({"temperature": 1}, "temperature was 0.5, and is 1"),
        ({"temperature": 0}, "temperature was 0.5, and is 0"),
        ({"temperature": None}, "temperature was 0.5, and is not set"),
        ({"top_p": 0.1}, "top_p was not set, and is 0.1"),
        ({"max_tokens": 7}, "max_tokens was not set, and is 7"),
        ({"seed": 0}, "seed was not set, and is 0"),
        ({"stop": ["END", "\n"]}, 'stop was not set, and is "END", "\\n"'),
        ({"system": "Be verbose."}, "the system message had 'Be brief.', and has 'Be verbose.'"),
        ({"system": ""}, "the system message had 'Be brief.', and has ''"),
        ({"prompt": "Ho?"}, "the prompt had 'Hi?', and has 'Ho?'"),
        ({"max_tokens": 1_000_000}, "max_tokens was not set, and is 1000000"),
        ({"prompt": "Hi? "}, "the prompt had 'Hi?', and has 'Hi? '"),
        (
            {"model": "other", "prompt": "Ho?"},
            "the model was m, and is other; the prompt had 'Hi?', and has 'Ho?'",
        ),
    ],
)
def test_another_request_is_an_error_that_says_what_differs(
    session: KernelSession, options: dict[str, Any], why: str
) -> None:
    asked: dict[str, Any] = {"temperature": 0.5, "system": "Be brief."}
    answer = saved(session, "Hi?", **asked)
    changed = {**asked, **options}
    with pytest.raises(ReplayError) as caught:
        session.replay(
            changed.pop("prompt", "Hi?"), [answer], options_of(changed), position=CellPosition("c")
        )
    assert caught.value.why == why
    assert "Cnai.replay = False" in caught.value.next_step.at(CELL)
    assert len(caught.value.lines()) == 3
    assert texts(session) == []
    assert session.book.get_replayed() == Spend()


def test_where_two_long_texts_begin_to_differ_is_shown(session: KernelSession) -> None:
    answer = saved(session, "word " * 500 + "before" + " word" * 500)
    with pytest.raises(ReplayError) as caught:
        session.replay("word " * 500 + "after" + " word" * 500, [answer])
    assert "…word word word word before word" in caught.value.why
    assert "…word word word word after word" in caught.value.why
    assert len(caught.value.why) < 250


def test_other_turns_before_it_are_another_request(session: KernelSession) -> None:
    answer = saved(session, "Hi?")
    session.replay("First?", [saved(session, "First?")], position=CellPosition("b"))
    with pytest.raises(ReplayError) as caught:
        session.replay("Hi?", [answer], position=CellPosition("c"))
    assert caught.value.why.startswith("the turns before it are not those that were sent then")
    assert texts(session) == ["yes"]


@pytest.mark.parametrize(
    "saved_before", [[], [Attempt(Reply("half", "Hi?", "m", finish_reason="failed", request="x"))]]
)
def test_without_a_whole_answer_there_is_nothing_to_replay(
    session: KernelSession, saved_before: list[Attempt]
) -> None:
    with pytest.raises(ReplayError, match="no saved answer") as caught:
        session.replay("Hi?", saved_before)
    assert "save the notebook" in caught.value.next_step.at(CELL)


def test_each_question_of_a_cell_has_its_own_answer_and_the_order_does_not_matter(
    session: KernelSession,
) -> None:
    first, second = (saved(session, "Same?", text, n, once=True) for n, text in enumerate(("one", "two")))
    for answers in ([first, second], [second, first]):
        places = [CellPosition("c", n) for n in range(2)]
        found = [
            session.replay("Same?", answers, Options(once=True), position=position).text
            for position in places
        ]
        assert found == ["one", "two"]
    # Asked in another order, each request still finds its own.
    other = saved(session, "Other?", "three", 1, once=True)
    assert (
        session.replay("Other?", [first, other], Options(once=True), position=CellPosition("c", 0)).text
        == "three"
    )


def test_what_differs_is_told_of_the_question_at_the_same_point_of_the_cell(session: KernelSession) -> None:
    answers = [saved(session, "First?"), saved(session, "Second?", index_in_cell=1)]
    with pytest.raises(ReplayError, match="'Second"):
        session.replay("Third?", answers, position=CellPosition("c", 1))


def test_a_question_that_names_no_model_takes_that_of_its_answer(session: KernelSession) -> None:
    answer = saved(session, "Hi?")
    assert session.replay("Hi?", [answer]).model == "m"
    session.settings.model = "other"
    with pytest.raises(ReplayError, match="the model was m, and is other"):
        session.replay("Hi?", [answer], Options(once=True))


def test_an_answer_outside_of_the_conversation_enters_none(session: KernelSession) -> None:
    session.replay("Hi?", [saved(session, "Hi?", once=True)], Options(once=True), position=CellPosition("c"))
    assert session.latest_attempt is not None
    assert (session.latest_attempt.turn, texts(session)) == (0, [])


def test_the_other_attempts_come_back_with_an_answer(session: KernelSession) -> None:
    earlier = saved(session, "Hello?", "earlier")
    answer = replace(saved(session, "Hi?"), number=2, others=(earlier,))
    for _ in range(2):
        session.replay("Hi?", [answer], position=CellPosition("c"))
        assert session.latest_attempt is not None
        assert [each.reply.text for each in session.latest_attempt.others] == ["earlier"]
    (turn,) = session.conversations["main"].turns
    assert [(each.number, each.reply.text) for each in turn.attempts] == [(1, "earlier"), (2, "yes")]
    turn.keep(1)


def test_while_answers_are_replayed_none_is_asked_for(session: KernelSession) -> None:
    with pytest.raises(InputError, match="none is saved for this question"):
        session.ask("Hi?")


def test_the_question_is_returned_as_it_was_asked(session: KernelSession) -> None:
    def prepare(answer: Reply) -> Question:
        return session.prepare("Hi?", Options(model=answer.model))

    answer = saved(session, "Hi?")
    question, found = find_saved_answer([answer], 0, prepare)
    assert (question.request.digest, found) == (answer.reply.request, answer)


# -- a lesson -----------------------------------------------------------------------------------

LOOP = """\
for number in (2, 3):
    get_ipython().run_line_magic("cnai", f"And times {number}?")
print(_cnai.text)"""

ANSWERS = ("144.", "288.", "432.", "Nobody.", "Aside one.", "Aside two.", "A name.")


def lesson() -> NotebookNode:
    """Return a notebook that asks in every way there is."""
    return new_notebook(
        code("%load_ext cnai_magic", identifier="load"),
        code("%%cnai -s 'Be brief.' -t 0\nWhat is 12 * 12?", identifier="first"),
        code(LOOP, identifier="loop"),
        code("%%cnai --once other-model\nIs anybody there?", identifier="once"),
        code("%%cnai --new -c aside\nBy the way, 'what' is this?", identifier="new"),
        code("%cnai -c aside And this?", identifier="aside"),
        code("%cnai_chat use main", identifier="use"),
        code("answer = %cnai What is my name?\nprint(len(answer.text))", identifier="line"),
        code("%cnai_chat show", identifier="show"),
    )


def run(notebook: NotebookNode, folder: Path, *, watched: bool) -> NotebookNode:
    """Run all cells in a fresh kernel whose folder is that of the notebook."""
    return FrontEnd(notebook, watched=watched, resources={"metadata": {"path": str(folder)}}).execute()


def answers_of(notebook: NotebookNode) -> list[dict[str, Any]]:
    """Return what is saved of all answers, in their order; `answer` is the text."""
    found = []
    for cell in notebook.cells:
        for output in cell.outputs:
            about = output.get("metadata", {}).get("cnai", {})
            if "footer" in about:
                text = output.data["text/plain"].removesuffix(about["footer"]).strip()
                found.append({**about, "answer": text, "cell": cell["id"]})
    return found


def text_of(cell: NotebookNode) -> str:
    return "".join(
        each.get("text", "") or each.get("data", {}).get("text/plain", "") for each in cell.outputs
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """The lesson with its answers, as a front end saves it; its server is gone."""
    return record(tmp_path_factory.mktemp("recorded"), watched=True)


def record(folder: Path, *, watched: bool) -> NotebookNode:
    """Run the lesson with a server, as a front end does or as a headless program, and return it."""
    with ScriptedServer() as server, pytest.MonkeyPatch.context() as patch:
        for text in ANSWERS:
            server.reply(sse(text))
        patch.setenv("CNAI_BASE_URL", server.base_url)
        patch.setenv("CNAI_API_KEY", KEY)
        patch.setenv("CNAI_LEDGER", "off")
        notebook = run(lesson(), folder, watched=watched)
    assert [each["answer"] for each in answers_of(notebook)] == list(ANSWERS)
    return notebook


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ScriptedServer]:
    """Replay is on, there is no key, and whoever connects to the server is found out."""
    with ScriptedServer() as server:
        monkeypatch.setenv("CNAI_BASE_URL", server.base_url)
        monkeypatch.setenv("CNAI_REPLAY", "1")
        monkeypatch.setenv("CNAI_LEDGER", str(tmp_path / "ledger.db"))
        yield server
        assert server.connections == 0
    if (tmp_path / "ledger.db").exists():
        assert Ledger(tmp_path / "ledger.db").read_total().requests == 0


def check_replayed(notebook: NotebookNode, before: NotebookNode) -> None:
    nbformat.validate(notebook)
    assert "widgets" not in notebook.metadata
    were, are = answers_of(before), answers_of(notebook)
    for one, other in zip(are, were, strict=True):
        for name in ("answer", "cell", "id", "model", "conversation", "turn", "attempt", "prompt", "cost"):
            assert one[name] == other[name], name
        assert (one["usage"], one["time"]) == (other["usage"], other["time"])
    for each in are:
        assert each["replayed"] is True
        assert "replayed" in each["footer"]
        assert "notebook $0 " in each["footer"] + " "
        assert ("others" in each) == any(other["id"] == each["id"] and "others" in other for other in were)
    shown = text_of(notebook.cells[-1])
    assert [shown.count(text) for text in ("144.", "288.", "432.", "A name.", "Nobody.")] == [1, 1, 1, 1, 0]
    assert text_of(notebook.cells[2]).endswith("432.\n")


def fresh(notebook: NotebookNode, path: Path) -> NotebookNode:
    """Write a notebook to a file, and return it as another run would open it."""
    nbformat.write(notebook, path)
    return nbformat.read(path, as_version=4)


def test_a_lesson_runs_again_and_again_without_a_server_or_a_key(
    recorded: NotebookNode, nobody: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lesson.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    before = recorded
    for _ in range(2):
        again = run(fresh(before, path), tmp_path, watched=True)
        check_replayed(again, recorded)
        before = again


def test_a_lesson_that_was_recorded_without_cell_ids_is_replayed_without_them(
    nobody: ScriptedServer, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CNAI_REPLAY")
        recorded = record(tmp_path, watched=False)
    check_replayed(run(fresh(recorded, tmp_path / "lesson.ipynb"), tmp_path, watched=False), recorded)


# nbconvert runs a notebook as jupyter execute does.
@pytest.mark.parametrize("name", ["jupyter execute", "papermill"])
def test_a_lesson_is_replayed_by_programs(
    recorded: NotebookNode, nobody: ScriptedServer, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "lesson" / "in.ipynb", tmp_path / "out.ipynb"
    source.parent.mkdir()
    nbformat.write(recorded, source)
    if name == "papermill":
        # Its kernel runs in the folder in which papermill was called.
        monkeypatch.setenv("CNAI_NOTEBOOK", str(source))
    code, errors = run_program(name, source, out)
    assert code == 0, errors
    check_replayed(nbformat.read(out, as_version=4), recorded)


CHANGES = {
    "first": [
        ("12 * 12", "12 * 13", "the prompt had 'What is 12 * 12?', and has 'What is 12 * 13?'"),
        ("-t 0", "-t 1", "temperature was 0, and is 1"),
        ("Be brief", "Be long", "the system message had 'Be brief.', and has 'Be long.'"),
    ],
    "loop": [("(2, 3)", "(2, 5)", "the prompt had 'And times 3?', and has 'And times 5?'")],
    "once": [("other-model", "more", "the model was other-model, and is more")],
    "new": [
        ("--new -c aside", "", "the turns before it are not those that were sent then"),
        ("--new -c aside", "--once -t 0.5", "temperature was not set, and is 0.5"),
    ],
    "aside": [("-c aside", "-c other", "the turns before it are not those that were sent then")],
    "line": [("%cnai What", "%cnai Who", "the prompt had 'What is my name?', and has 'Who is my name?'")],
}


def test_a_cell_that_was_changed_says_what_differs_and_changes_nothing(
    recorded: NotebookNode, nobody: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "lesson.ipynb"
    fresh(recorded, path)
    environment = {"CNAI_REPLAY": "1", "CNAI_BASE_URL": nobody.base_url, "JPY_SESSION_NAME": str(path)}
    with running_kernel(tmp_path, **environment) as kernel:
        for cell in recorded.cells:
            for before, after, why in CHANGES.get(cell["id"], []):
                assert before in cell.source
                error = kernel.run(cell.source.replace(before, after), cell["id"]).error
                assert error[0] == "ReplayError: the saved answer of this cell is to another request"
                assert error[1].startswith(f"  why: {why}")
                assert "replay = False" in error[2]
            ran = kernel.run(cell.source, cell["id"])
            assert not ran.error
        shown = ran.shown
    assert [shown.count(text) for text in ("144.", "288.", "432.", "A name.")] == [1, 1, 1, 1]


def test_a_changed_prompt_fails_a_headless_run(
    recorded: NotebookNode, nobody: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "lesson.ipynb"
    notebook = fresh(recorded, path)
    notebook.cells[1].source = notebook.cells[1].source.replace("12 * 12", "12 * 13")
    fresh(notebook, path)
    with pytest.raises(CellExecutionError, match="the saved answer of this cell is to another request"):
        run(notebook, tmp_path, watched=False)
    assert "has 'What is 12 * 13?'" in notebook.cells[1].outputs[-1].traceback[1]


def test_a_cell_that_was_never_run_has_nothing_to_replay(
    recorded: NotebookNode, nobody: ScriptedServer, tmp_path: Path
) -> None:
    notebook = fresh(recorded, tmp_path / "lesson.ipynb")
    notebook.cells = [notebook.cells[0], code("%%cnai\nSomething new?")]
    fresh(notebook, tmp_path / "lesson.ipynb")
    with pytest.raises(CellExecutionError, match="no saved answer to replay"):
        run(notebook, tmp_path, watched=False)


def test_where_the_file_is_not_known_the_error_says_how_to_name_it(
    nobody: ScriptedServer, tmp_path: Path
) -> None:
    with running_kernel(tmp_path, CNAI_REPLAY="1", CNAI_BASE_URL=nobody.base_url) as kernel:
        error = kernel.run("%cnai Hello?", "unknown").error
    assert "the file of this notebook" in error[0]
    assert "CNAI_NOTEBOOK=PATH" in error[-1]


# -- in a kernel that goes on -------------------------------------------------------------------


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    """A notebook asked of the demo gateway; its second cell was run twice."""
    folder = tmp_path_factory.mktemp("demo")
    notebook = new_notebook(
        code("%load_ext cnai_magic", identifier="load"),
        code("%%cnai\nWhat is 12 * 12?", identifier="first"),
        code("%%cnai\nAnd times 3?", identifier="second"),
    )
    client = FrontEnd(notebook, resources={"metadata": {"path": str(folder)}})
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
        notebook.cells[2].source = "%%cnai\nAnd times 4?"
        client.execute_cell(notebook.cells[2], 2)
    atexit.unregister(client._cleanup_kernel)
    return notebook


@pytest.fixture
def kernel(demo: NotebookNode, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel of that notebook, of which only its environment tells the path."""
    path = tmp_path / "lesson.ipynb"
    fresh(demo, path)
    ledger = str(tmp_path / "ledger.db")
    with running_kernel(
        tmp_path, JPY_SESSION_NAME=str(path), CNAI_LEDGER=ledger, CNAI_REPLAY="yes"
    ) as kernel:
        yield kernel


def test_the_other_attempts_of_a_turn_are_there_after_a_replay(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 12 * 12?", "first")
    ran = kernel.run("%%cnai\nAnd times 4?", "second")
    assert "576" in ran.answer
    assert ran.final["attempt"] == 2
    assert [each["prompt"] for each in ran.final["others"]] == ["And times 3?"]
    shown = kernel.run("%cnai_chat versions").shown
    assert "And times 3?" in shown
    assert "432" in shown
    assert not kernel.run("%cnai_chat versions --keep 1").error
    assert "432" in kernel.run("%cnai_chat show 2").shown


def test_what_was_replayed_is_told_and_costs_nothing(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 12 * 12?", "first")
    ran = kernel.run("%%cnai\nAnd times 4?", "second")
    assert "replayed, had cost demo credit" in ran.final["footer"]
    shown = kernel.run("%cnai_spend")
    assert not shown.error
    assert "2 answers were replayed at no cost" in shown.shown
    gateway = "__import__('sys').modules.get('cnai_magic.gateway.embedded')"
    assert kernel.value(f"getattr({gateway}, '_current', None) is None")
    session = "get_ipython().magics_manager.registry['CnaiMagics'].session"
    assert kernel.value(f"{session}.book.charges") == []
    assert kernel.value(f"{session}.book.get_notebook(demo=True).requests") == 0
    assert kernel.value(f"{session}.ledger.read_total(demo=True).requests") == 0


def test_a_cell_is_replayed_as_often_as_it_is_run(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 12 * 12?", "first")
    for _ in range(2):
        ran = kernel.run("%%cnai\nAnd times 4?", "second")
        assert (ran.final["turn"], ran.final["attempt"], len(ran.final["others"])) == (2, 2, 1)
    assert len(kernel.run("%cnai_chat show").shown.split("[2]")) == 2


def test_answers_outlive_that_the_notebook_is_saved_with_a_mistake_in_the_place_of_one(
    kernel: Kernel, demo: NotebookNode, tmp_path: Path
) -> None:
    assert not kernel.run("%%cnai\nWhat is 12 * 12?", "first").error
    assert kernel.run("%%cnai\nWhat is 12 * 13?", "first").error[0].startswith("ReplayError")
    notebook = nbformat.read(tmp_path / "lesson.ipynb", as_version=4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    # As JupyterLab saves cells that Run All was to run, and did not come to.
    for cell in notebook.cells[2:]:
        cell.outputs = []
    fresh(notebook, tmp_path / "lesson.ipynb")
    assert "144" in kernel.run("%%cnai\nWhat is 12 * 12?", "first").answer
    assert "replayed" in kernel.run("%%cnai\nAnd times 4?", "second").final["footer"]


def test_replay_can_be_turned_off_and_on_in_the_notebook(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 12 * 12?", "first")
    kernel.run("%config Cnai.replay = False")
    ran = kernel.run("%%cnai\nAnd times 5?", "second")
    assert "720" in ran.answer, "the question after a replayed answer was sent with it"
    assert "replayed" not in ran.final["footer"]
    kernel.run("%config Cnai.replay = True")
    assert "replayed, had cost demo credit" in kernel.run("%%cnai\nAnd times 4?", "second").final["footer"]


def test_the_line_that_offers_to_restore_is_left_out_where_answers_are_replayed(
    demo: NotebookNode, tmp_path: Path
) -> None:
    path = tmp_path / "lesson.ipynb"
    fresh(demo, path)
    offered = {}
    for value in ("0", "1"):
        with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), CNAI_REPLAY=value) as kernel:
            kernel.run("%unload_ext cnai_magic")
            offered[value] = kernel.run("%load_ext cnai_magic").stdout
    assert "%cnai_chat restore" in offered["0"]
    assert offered["1"] == ""
