"""The magics in a real kernel, with the embedded gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kernels import Kernel, Ran, running_kernel


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with running_kernel(tmp_path_factory.mktemp("kernel"), CNAI_CONNECT_TIMEOUT="5") as kernel:
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Kernel:
    """The module's kernel with a new session: no conversation, nothing spent, default settings."""
    ran = shared_kernel.run(
        "from cnai_magic import magics\n"
        "magics.unload(get_ipython()); magics._loaded.clear()\n"
        "get_ipython().config.pop('Cnai', None)\n"
        "magics.load(get_ipython())\n"
        "session = get_ipython().magics_manager.registry['CnaiMagics'].session"
    )
    assert not ran.error, ran.error
    return shared_kernel


def messages_of(ran: Ran) -> list[tuple[str, str]]:
    """Return the messages that demo-echo says it got."""
    block = ran.answer.split("```json\n", 1)[1].split("\n```", 1)[0]
    return [(each["role"], each["content"]) for each in json.loads(block)["messages"]]


# -- an answer ----------------------------------------------------------------------------------


def deltas(ran: Ran) -> list[dict[str, Any]]:
    """Return what was sent to the page while the answer came."""
    contents = [each["data"].get("content") or {} for each in ran.of("comm_msg")]
    return [content for content in contents if content.get("kind") == "delta"]


def test_an_answer_is_shown_while_it_comes_and_stays_as_plain_markdown(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai\nPlease write a long answer", "a")
    (shown,) = ran.of("display_data")
    (final,) = ran.of("update_display_data")
    assert "application/vnd.jupyter.widget-view+json" in shown["data"]
    assert set(final["data"]) == {"text/markdown", "text/plain"}
    assert shown["transient"]["display_id"] == final["transient"]["display_id"]
    pieces = deltas(ran)
    assert [piece["seq"] for piece in pieces] == list(range(1, len(pieces) + 1))
    assert len(pieces) >= 3
    assert "".join(piece["text"] for piece in pieces).strip() == ran.answer
    assert len(ran.of("comm_close")) == 2, "the widget and its layout are closed"
    assert ran.final["finish_reason"] == "stop"


def test_a_console_shows_the_final_output_only(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai\nWhat is 2+2?")
    assert len(ran.of("display_data")) == 1
    assert not ran.of("comm_open", "update_display_data")
    assert "4" in ran.answer


def test_a_headless_run_shows_the_final_output_only(kernel: Kernel) -> None:
    ran = kernel.run("%%cnai\nWhat is 2+2?", watched=False)
    assert len(ran.of("display_data")) == 1
    assert not ran.of("update_display_data")
    assert "4" in ran.answer


def test_the_first_answer_without_a_key_says_so_once(kernel: Kernel) -> None:
    assert "No API key is set" in kernel.run("%cnai What is 2+2?").stdout
    assert kernel.run("%cnai What is 2+3?").stdout == ""


def test_a_follow_up_uses_the_answer_before(kernel: Kernel) -> None:
    kernel.run("%%cnai\nWhat is 12 * 12?", "a")
    assert "432" in kernel.run("%%cnai\nAnd times 3?", "b").answer


def test_an_answer_can_be_assigned_put_out_and_found_again(kernel: Kernel) -> None:
    ran = kernel.run("answer = %cnai What is 2+2?\nfor _ in range(1):\n    second = %cnai What is 2+3?")
    assert not ran.of("execute_result")
    assert "4" in kernel.value("answer.text")
    assert "5" in kernel.value("second.text")
    assert not kernel.run("%cnai What is 2+4?").of("execute_result")
    assert kernel.run("%%cnai -o kept\nWhat is 3+4?").reply["status"] == "ok"
    assert "7" in kernel.value("kept.text")
    assert kernel.value("kept is _cnai")


def test_the_models_are_listed_and_returned_where_they_are_used(kernel: Kernel) -> None:
    ran = kernel.run("%cnai_models")
    (shown,) = ran.of("display_data")
    assert "<table>" in shown["data"]["text/html"]
    assert "demo-guide" in shown["data"]["text/plain"]
    assert "default" in shown["data"]["text/plain"]
    assert not ran.of("execute_result")
    kernel.run("found = %cnai_models ngram")
    assert kernel.value("found") == ["demo-ngram"]
    assert any("no model matches 'qqq'" in line for line in kernel.run("%cnai_models qqq").error)


@pytest.mark.parametrize("question", ["What is my name?", "什么是中位数?", "Is it 'so'??", "what?  "])
def test_a_line_that_ends_in_a_question_mark_is_a_question(kernel: Kernel, question: str) -> None:
    ran = kernel.run(f"name = 1\nanswer = %cnai -m demo-echo {question}\n%cnai -m demo-echo {question}")
    assert not ran.error
    assert not ran.reply["payload"]
    assert kernel.value("answer.prompt") == question.strip()
    assert kernel.value("_cnai.prompt") == question.strip()


def test_what_follows_the_line_of_a_question_is_left_alone(kernel: Kernel) -> None:
    kernel.run("text = '''\n%cnai? %cnai_models?\nx %cnai why?\n'''")
    assert kernel.value("text") == "\n%cnai? %cnai_models?\nx %cnai why?\n"


def test_a_question_that_a_cell_no_longer_asks_is_not_sent_any_more(kernel: Kernel) -> None:
    kernel.run("%cnai What is 1+1?\n%cnai What is 2+2?", "a")
    kernel.run("%cnai What is 1+1?", "a")
    after = kernel.run("%%cnai demo-echo\nb", "b")
    assert [text for role, text in messages_of(after) if role == "user"] == ["What is 1+1?", "b"]
    kernel.run("%%cnai --once\nWhat is 1+1?", "a")
    after = kernel.run("%%cnai demo-echo\nb", "b")
    assert [text for role, text in messages_of(after) if role == "user"] == ["b"]


def test_a_cell_that_fails_keeps_its_turns_and_a_dry_run_takes_no_place(kernel: Kernel) -> None:
    kernel.run("%cnai --dry-run first\n%cnai What is 1+1?", "a")
    kernel.run("%cnai What is 1+1?\n%cnai -t 9 hot", "a")
    assert kernel.value("[len(turn.attempts) for turn in session.conversations['main'].turns]") == [2]
    kernel.run("%cnai -t 9 hot", "a")
    assert kernel.value("len(session.conversations['main'].turns)") == 1


# -- the notebook is the conversation -------------------------------------------------------------


def test_running_a_cell_again_asks_anew_in_its_place(kernel: Kernel) -> None:
    kernel.run("%%cnai demo-echo\none", "a")
    kernel.run("%%cnai\nWhat is 2+2?", "b")
    kernel.run("%%cnai\nWhat is 3+3?", "c")
    again = kernel.run("%%cnai demo-echo\ntwo", "b")
    assert [text for role, text in messages_of(again) if role == "user"] == ["one", "two"]
    assert again.final["turn"] == 2
    assert again.final["attempt"] == 2
    after = kernel.run("%%cnai demo-echo\nthree", "d")
    assert [text for role, text in messages_of(after) if role == "user"] == [
        "one",
        "two",
        "What is 3+3?",
        "three",
    ]


def test_two_questions_in_one_cell_are_two_turns_also_when_it_runs_again(kernel: Kernel) -> None:
    cell = "%cnai What is 1+1?\n%cnai -m demo-echo second"
    kernel.run(cell, "a")
    again = kernel.run(cell, "a")
    assert [text for role, text in messages_of(again) if role == "user"] == ["What is 1+1?", "second"]
    assert kernel.value("[len(turn.attempts) for turn in session.conversations['main'].turns]") == [2, 2]


def test_without_a_cell_id_every_question_is_a_new_turn(kernel: Kernel) -> None:
    kernel.run("%cnai What is 1+1?")
    kernel.run("%cnai What is 1+1?")
    assert kernel.value("len(session.conversations['main'].turns)") == 2


def test_conversations_are_begun_used_shown_and_shortened(kernel: Kernel) -> None:
    kernel.run("%%cnai -s 'Answer briefly'\nWhat is 2+2?", "a")
    kernel.run("%%cnai --new -c other\nWhat is 5+5?", "b")
    listed = kernel.run("%cnai_chat").shown
    assert "main" in listed
    assert "other" in listed
    kernel.run("%cnai_chat use main")
    shown = kernel.run("%cnai_chat show").shown
    assert "What is 2+2?" in shown
    assert "What is 5+5?" not in shown
    assert "Answer briefly" in kernel.run("%cnai_chat system").shown
    kernel.run("%cnai_chat undo")
    assert "no turns yet" in kernel.run("%cnai_chat show").shown
    assert any("no turn 4" in line for line in kernel.run("%cnai_chat drop 4").error)
    assert any("did you mean show?" in line for line in kernel.run("%cnai_chat shwo").error)


def test_reload_keeps_conversations_and_spend_and_unload_removes_the_magics(kernel: Kernel) -> None:
    kernel.run("%cnai What is 2+2?")
    kernel.run("%config Cnai.temperature = 0.5")
    assert not kernel.run("%reload_ext cnai_magic").error
    assert kernel.value("get_ipython().magics_manager.registry['CnaiMagics'].session is session")
    assert kernel.value("len(session.conversations['main'].turns), session.settings.temperature") == (1, 0.5)
    kernel.run("%unload_ext cnai_magic")
    names = "{name for kind in get_ipython().magics_manager.magics.values() for name in kind}"
    assert not kernel.value(f"[name for name in {names} if name.startswith('cnai')]")
    kernel.run("%load_ext cnai_magic")
    assert "demo-guide" in kernel.run("%cnai_spend").shown


# -- money --------------------------------------------------------------------------------------


def test_the_spend_table_is_the_sum_of_the_footers(kernel: Kernel) -> None:
    costs = [
        kernel.run(f"%%cnai {options}\n{question}", cell).final["cost"]
        for cell, options, question in (
            ("a", "", "What is 2+2?"),
            ("b", "--once", "show a table of squares"),
            ("a", "", "What is 2+3?"),
            ("c", "demo-reasoner", "What is 4*4?"),
            ("d", "--no-stream", "And times 2?"),
        )
    ]
    assert all(cost > 0 for cost in costs)
    (total,) = {
        line.split("$")[1]
        for line in kernel.run("%cnai_spend").shown.splitlines()
        if line.startswith("Total")
    }
    assert round(float(total) * 10**9) == sum(costs)


def test_a_model_without_a_price_is_unpriced_and_gets_one(kernel: Kernel) -> None:
    kernel.run('%config Cnai.prices = {"demo-guide": (1000, 2000)}')
    final = kernel.run("%%cnai\nWhat is 2+2?").final
    usage = final["usage"]
    assert final["cost"] == usage["prompt_tokens"] * 1_000_000 + usage["completion_tokens"] * 2_000_000


# -- help, dry run, settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("%%cnai?", "--temperature"),
        ("%cnai?", "--dry-run"),
        ("%cnai_models?", "PATTERN"),
        ("%cnai_chat?", "undo"),
        ("%cnai_spend?", "--reset"),
        ("%cnai_key?", "--save"),
        ("%%cnai?", "answer = %cnai"),
    ],
)
def test_help_is_real(kernel: Kernel, asked: str, expected: str) -> None:
    pages = [page["data"]["text/plain"] for page in kernel.run(asked).reply["payload"]]
    assert expected in "".join(pages)


@pytest.mark.parametrize(
    "asked", ["%%cnai --help\n ", "%cnai -h", "%cnai_models -h", "%cnai_spend --help", "%cnai_chat help"]
)
def test_the_usual_options_show_help_too(kernel: Kernel, asked: str) -> None:
    ran = kernel.run(asked)
    assert not ran.error
    assert "%cnai" in ran.stdout + ran.shown


def test_a_dry_run_shows_the_messages_and_sends_nothing(kernel: Kernel) -> None:
    prompt = "Braces {x} {{ y }} {% z %} $HOME `code` 'quotes' \U0001f600"
    ran = kernel.run(f"%%cnai -t 0 -s 'Be brief' --dry-run\n{prompt}")
    body = json.loads(ran.stdout.rsplit("\n≈", 1)[0])
    assert body["temperature"] == 0
    assert body["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": prompt},
    ]
    assert kernel.value("session.book.charges") == []
    assert kernel.value("len(session.conversations['main'].turns)") == 0


def test_config_lists_the_settings_with_their_help(kernel: Kernel) -> None:
    shown = kernel.run("%config Cnai").stdout
    assert "Cnai.base_url" in shown
    assert "Sampling randomness" in shown


def test_a_key_is_typed_unseen_and_used(kernel: Kernel) -> None:
    key = "sk-" + "typed" * 5
    ran = kernel.run("%cnai_key", typed=key)
    assert "set for this kernel" in ran.stdout
    assert key not in json.dumps(ran.messages, default=str)
    assert kernel.value("session.provider.access.key.reveal()") == key
    kernel.run("%cnai_key --forget")
    assert kernel.value("session.provider.access.demo")


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "name", "hint"),
    [
        ("%%cnai\n  \n", "InputError", "there is no question"),
        ("%cnai", "InputError", "there is no question"),
        ("%%cnai --temprature 1\nhello", "InputError", "did you mean --temperature?"),
        ("%%cnai -t hot\nhello", "InputError", "not a number"),
        ("%%cnai -s\nhello", "InputError", "needs a value"),
        ("%%cnai dmo-ngram\nhello", "InputError", "did you mean demo-ngram?"),
        ("%%cnai -t 3\nhello", "InputError", "temperature"),
        ("%%cnai -t nan\nhello", "InputError", "temperature"),
        ("%%cnai -p 1.5\nhello", "InputError", "top_p"),
        ("%%cnai -n 0\nhello", "InputError", "max_tokens"),
        ("%%cnai demo-giude\nhello", "ModelNotFoundError", "did you mean demo-guide?"),
        ("%%cnai gpt-4\nhello", "InputError", "%cnai_key"),
        ("%%cnai demo-guide hello\nhello", "InputError", "body of the cell"),
        ("%%cnai -o 3x\nhello", "InputError", "variable"),
        ("%%cnai --once --new\nhello", "InputError", "--once"),
        ("%%cnai -s 'open\nhello", "InputError", "quote"),
        ("%%cnai -c 'two words'\nhello", "InputError", "one word"),
        ("%%cnai demo-faults\n401", "AuthenticationError", "%cnai_key"),
        ("%%cnai demo-faults\n402", "QuotaError", "https://cnaitoken.store/panel/topup"),
        ("%%cnai demo-faults\n500", "ServerError", "request"),
        ("%%cnai demo-faults\ncut", "TruncatedError", "run the cell again"),
        ("%%cnai demo-faults\ngarbage", "GarbageError", "not JSON"),
        ("%%cnai demo-faults\nhtml", "ServerError", "HTTP 502"),
        ("%%cnai demo-faults\nhtml200", "HTMLError", "web page"),
        ("%%cnai demo-faults --no-stream\n402", "QuotaError", "recharge"),
    ],
)
def test_a_mistake_fails_the_cell_in_a_few_lines_and_changes_nothing(
    kernel: Kernel, cell: str, name: str, hint: str
) -> None:
    kernel.run("%config Cnai.retries = 0")
    ran = kernel.run(cell, "a")
    assert ran.reply["status"] == "error"
    lines = ran.error
    assert 2 <= len(lines) <= 4, lines
    assert lines[0].startswith(f"{name}: ")
    assert any(hint in line for line in lines), lines
    assert not any("Traceback" in line for line in lines)
    assert kernel.value("[len(each.turns) for each in session.conversations]") == [0]
    assert kernel.value("session.conversations.current") == "main"


@pytest.mark.parametrize("options", ["", "--no-stream"])
def test_too_many_requests_are_waited_for_visibly_and_given_up(kernel: Kernel, options: str) -> None:
    kernel.run("%config Cnai.retries = 1")
    ran = kernel.run(f"%%cnai demo-faults {options}\n429", "a")
    states = [each["data"].get("state", {}).get("status", {}) for each in ran.of("comm_msg")]
    assert any(state.get("phase") == "retry" and state["seconds"] > 0 for state in states)
    assert ran.error[0].startswith("RateLimitError")


def test_no_server_and_a_wrong_key_say_what_to_do(kernel: Kernel) -> None:
    kernel.run("%config Cnai.retries = 0")
    address = kernel.value("session.provider.access.base_url")
    kernel.run(f'%config Cnai.base_url = "{address}"')
    wrong = kernel.run("%cnai -m demo-guide hello", "a")
    assert wrong.error[0].startswith("AuthenticationError")
    kernel.run('%config Cnai.base_url = "http://127.0.0.1:9/v1"')
    nobody = kernel.run("%cnai hello", "a")
    assert nobody.error[0].startswith("ConnectionFailed")
    assert any("127.0.0.1:9" in line for line in nobody.error)
    kernel.run('%config Cnai.base_url = "http://example.com/v1"')
    clear = kernel.run("%cnai hello", "a")
    assert clear.error[0].startswith("InputError")
    assert any("https" in line for line in clear.error)


@pytest.mark.parametrize(
    "prompt",
    [
        "{ {{ }} } {% if %} {# x #} ${HOME} %s \\N{DASH} \\(x\\)",
        "bell \x07 escape \x1b[31m null-free \x7f tab\tdone",
        "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 汉字 \u202e שלום",
    ],
    ids=["braces", "controls", "emoji"],
)
def test_odd_prompts_arrive_as_they_were_typed(kernel: Kernel, prompt: str) -> None:
    kernel.run(f"text = {prompt!r}\nget_ipython().run_cell_magic('cnai', 'demo-echo', text)", "a")
    assert kernel.value("session.conversations['main'].turns[0].reply.prompt") == prompt
    text = kernel.value("session.latest.text")
    block = text.split("```json\n", 1)[1].split("\n```", 1)[0]
    assert json.loads(block)["messages"][-1]["content"] == prompt


def test_a_body_of_ten_megabytes_is_sent_or_refused_without_harm(kernel: Kernel) -> None:
    ran = kernel.run("get_ipython().run_cell_magic('cnai', '--once', 'word ' * 2_000_000)")
    assert ran.reply["status"] == "ok", ran.error
    assert kernel.value("session.latest.usage.prompt_tokens") >= 2_000_000
    assert "4" in kernel.run("%cnai --once What is 2+2?").answer


# -- interrupts -----------------------------------------------------------------------------------


def test_an_interrupt_keeps_the_partial_answer_and_goes_on_upwards(kernel: Kernel) -> None:
    interrupted = []

    def interrupt(message: dict[str, Any]) -> None:
        content = message["content"].get("data", {}).get("content", {})
        if message["msg_type"] == "comm_msg" and content.get("kind") == "delta" and not interrupted:
            interrupted.append(True)
            kernel.manager.interrupt_kernel()

    ran = kernel.run("%%cnai demo-faults\nstall", "a", meanwhile=interrupt)
    assert ran.reply["status"] == "error"
    assert ran.error == ["KeyboardInterrupt: the answer was interrupted; what arrived of it is kept"]
    assert ran.final["finish_reason"] == "interrupted"
    assert ran.final["usage"]["estimated"]
    assert ran.answer
    assert kernel.value("len(session.book.charges), len(session.conversations['main'].turns)") == (1, 1)
    assert (
        kernel.value("[t.name for t in __import__('threading').enumerate() if t.name == 'cnai-stream']") == []
    )
    assert kernel.value("_cnai.finish_reason") == "interrupted"
    assert "4" in kernel.run("%cnai What is 2+2?", "b").answer
