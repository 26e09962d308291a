"""What plain Python uses: a session that asks questions.

Arguments are written out in each signature, because that is what `help` and completion show; the tests
hold them to the table of parameters and to the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..api.model_facts import Model
from ..api.token_usage import Usage
from ..chat.answers import Answers
from ..chat.comparison import Comparison
from ..chat.reply import Reply
from ..errors import InputError
from ..money.cost import Cost
from ..redaction import ApiKey
from ..session.kernel_session import KernelSession
from ..session.question import Options
from ..session.view import View
from ..settings import Cnai
from .conversation import Conversation
from .options import NO_OPTIONS, check_text, read_options
from .reply_stream import Answering, ReplyStream

__all__ = ["Session"]


class Session:
    """Asks questions, remembers the conversation, and counts what it costs.

    Arguments are settings; one that is None is that of the environment (`CNAI_MODEL`, …), else its default.
    `settings` has all of them, and is given alone; those that are no arguments (`on_rerun`, `replay`,
    `display`, `notebook`, `save_attempts`, `see_tokens`, `value_tokens`) are about notebooks. `notify` is
    called with lines that a person should see once: that no key is set, or that the ledger cannot be written.

        session = cnai_magic.Session(model="deepseek-chat", temperature=0.2)
        reply = session.ask("What is a median?")
        print(reply, reply.usage, reply.cost)
        print(session.ask("And of an even number of values?"))

    Sessions may be shared by threads, and used in a `with` statement, which closes their connections.
    Raises InputError for a setting that has a value that it cannot have.
    """

    def __init__(
        self,
        settings: Cnai | None = None,
        *,
        base_url: str | None = None,
        model: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        think: str | int | None = None,
        extra: Mapping[str, Any] | None = None,
        history_tokens: int | None = None,
        file_tokens: int | None = None,
        image_pixels: int | None = None,
        tool_steps: int | None = None,
        connect_timeout: float | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        prices: Mapping[str, Sequence[float | str]] | None = None,
        budget: float | str | None = None,
        ledger: str | None = None,
        parallel: int | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        arguments = {name: value for name, value in locals().items() if value is not None}
        chosen = {name: arguments[name] for name in Cnai.class_trait_names(config=True) if name in arguments}
        if isinstance(prices, Mapping):
            chosen["prices"] = dict(prices)
        if settings is not None and chosen:
            raise InputError("settings are given twice", why=f"as settings= and as {', '.join(chosen)}=")
        if settings is not None and not isinstance(settings, Cnai):
            raise InputError(
                f"settings are of type {type(settings).__name__}, not Cnai", parameter="settings"
            )
        if notify is not None and not callable(notify):
            raise InputError(f"notify is of type {type(notify).__name__}, no function", parameter="notify")
        self._kernel = KernelSession(settings or Cnai(**chosen), notify=notify)

    @property
    def settings(self) -> Cnai:
        """The settings, which may be changed between questions."""
        return self._kernel.settings

    def ask(
        self,
        prompt: str,
        *,
        model: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        logprobs: int | None = None,
        think: str | int | None = None,
        prefix: str | None = None,
        extra: Mapping[str, Any] | None = None,
        schema: object = None,
        tools: Sequence[Callable[..., object]] | None = None,
        files: Sequence[object] = (),
        images: Sequence[object] = (),
        chat: str = "",
        new: bool = False,
        once: bool = False,
        stream: bool = True,
    ) -> Reply:
        """Ask a question and return the answer.

        `model` … `extra` hold for this question; one that is None is that of the settings. `system` is "" for
        none. `logprobs` asks for the probabilities of the tokens (`Reply.logprobs`), with up to so many
        others for each. `think` is "off", "low", "medium", "high", "max" or a number of tokens, `extra` any
        other fields of the request. `schema` asks for JSON that fits it, which is then `Reply.data`: it is a
        JSON Schema, a type (a dataclass, a TypedDict, a model of pydantic, `list[Person]`) or words, {} for
        any JSON. `files` are paths of text files and of tables (CSV, TSV) that are sent with the question,
        `images` paths or addresses of images, their bytes, figures of matplotlib or plotly, images of PIL.
        `tools` are functions that the model may call, with type hints and docstrings: their results are sent
        back until it answers, `tool_steps` times (8) at most; `Reply.steps` has them. `chat` names the
        conversation that is asked, `new` begins one (of that name, if any) and goes on in it, `once` asks
        outside of any. `stream` False asks for the whole answer at once.

            session.ask("Translate: Guten Tag", model="qwen-plus", system="Reply in English.", once=True)
            session.ask("Ada was 36, Bob is 7.", schema="list[name, age int]").data[0]["name"]
            session.ask("How many letters has Mississippi?", tools=[len])

        Raises InputError for what cannot be sent, BudgetError for what does not fit the budget, APIError
        where the server refuses or fails, NetworkError where no answer arrives, and JSONAnswerError for an
        answer that does not fit the schema after one request to correct it: all are CnaiErrors. The
        conversation is then as it was.
        """
        return self._kernel.ask(prompt, read_options(locals(), self.settings))

    def go_on(self, *, chat: str = "", max_tokens: int | None = None) -> Reply:
        """Ask for the rest of the last answer, which max_tokens, a budget or a stop has cut.

        Returns the whole answer as one, with the tokens and the cost of all its requests. It takes the place
        of the part in the conversation, which `chat` may name. Raises InputError where the answer is
        complete, else what `ask` does.

            reply = session.ask("Write a long answer", max_tokens=100)
            while reply.finish_reason == "length":
                reply = session.go_on(max_tokens=100)
        """
        options = Options(chat=chat, parameters={"max_tokens": max_tokens}, go_on=True)
        return self._kernel.ask("", options)

    def stream(
        self,
        prompt: str,
        *,
        model: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        logprobs: int | None = None,
        think: str | int | None = None,
        prefix: str | None = None,
        extra: Mapping[str, Any] | None = None,
        schema: object = None,
        tools: Sequence[Callable[..., object]] | None = None,
        files: Sequence[object] = (),
        images: Sequence[object] = (),
        chat: str = "",
        new: bool = False,
        once: bool = False,
    ) -> ReplyStream:
        """Ask a question, and return an iterator of the answer's text that ends with its `reply`.

        Arguments and errors are those of `ask`; errors are raised while iterating. With a `schema`, an answer
        that had to be corrected comes after the first one.

            stream = session.stream("Count to three.")
            for piece in stream:
                print(piece, end="", flush=True)
            print(stream.reply.usage)
        """
        options = read_options(locals(), self.settings)
        kernel = self._kernel

        def answer(view: View) -> Reply:
            return kernel.ask(prompt, options, view=view)

        return ReplyStream(Answering(answer))

    def map(
        self,
        rows: object,
        template: str | None = None,
        *,
        model: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        think: str | int | None = None,
        extra: Mapping[str, Any] | None = None,
        schema: object = None,
        parallel: int | None = None,
        max_cost: float | str | None = None,
        fresh: bool = False,
        progress: bool | None = None,
    ) -> Answers:
        """Ask the same thing of many rows, several at a time, outside of any conversation.

        `rows` are a list, a DataFrame of pandas or polars, a dict of columns, or the path of a file (.csv,
        .tsv, .jsonl, .json). In the `template`, `{{ row }}` or `{{ item }}` is the row, `{{ row.NAME }}` a
        column; without a template each row is a prompt. `model` … `schema` are those of `ask`. `parallel`
        requests are under way at a time (the setting, 4), fewer after a 429 and then more again. Equal
        requests are sent once. `max_cost` limits what this call may cost, in USD; more than 200 requests need
        it, or a budget, or "off". How far it is is shown in a notebook and in a terminal, on the standard
        error; with `progress` also in a few lines where there is neither, and not at all where it is False.

        Each answer is kept as it comes, beside the ledger: after an interrupt, or where the process was
        killed, the same call from the same folder asks only what is missing. `fresh` asks for all again.

            answers = session.map(["cat", "dog"], "Translate into German: {{ item }}", parallel=64)
            answers.to_frame()
            answers = answers.retry()

        What fails is an `error` of its row. Raises InputError for rows or a template that cannot be used.
        """
        options = read_options({**NO_OPTIONS, **locals()}, self.settings)
        from .rows import ask_rows

        return ask_rows(
            self._kernel, rows, template, options, parallel, max_cost, fresh=fresh, progress=progress
        )

    def compare(
        self,
        prompt: str,
        *,
        models: Sequence[str] | None = None,
        grid: Mapping[str, Sequence[object]] | None = None,
        times: int = 1,
        model: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        think: str | int | None = None,
        extra: Mapping[str, Any] | None = None,
        schema: object = None,
        files: Sequence[object] = (),
        images: Sequence[object] = (),
        chat: str = "",
        new: bool = False,
        parallel: int | None = None,
    ) -> Comparison:
        """Ask one question in several ways, several at a time, and return the answers side by side.

        Each of `models` is asked with each combination of the values in `grid`, by the names of parameters,
        so many `times`. All other arguments are those of `ask`. What it may cost is held before the first
        request. None of the answers is part of the conversation until one is kept: the others are then its
        other attempts.

            comparison = session.compare("Name a colour.", models=["a", "b"], grid={"temperature": [0, 1]})
            comparison.to_frame()
            comparison.keep(2)

        Raises what `ask` does where nothing was sent; a request that fails later is an `error` of its answer.
        """
        arguments = {**NO_OPTIONS, **locals(), "once": False}
        if models is not None and (isinstance(models, str) or not models or model):
            raise InputError(
                "models are not a list of names, or model names another one",
                parameter="models",
                next_step='write models=["a", "b"], and no model',
            )
        from ..session.batches.batch_view import BatchView
        from ..session.batches.compare import Ways

        ways = Ways(models or [model or ""], grid or {}, times)
        options = read_options(arguments, self.settings)
        return self._kernel.compare(prompt, options, ways, parallel=parallel, view=BatchView())

    def prepare(
        self,
        prompt: str,
        *,
        model: str | None = None,
        system: str | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        logprobs: int | None = None,
        think: str | int | None = None,
        prefix: str | None = None,
        extra: Mapping[str, Any] | None = None,
        schema: object = None,
        tools: Sequence[Callable[..., object]] | None = None,
        files: Sequence[object] = (),
        images: Sequence[object] = (),
        chat: str = "",
        new: bool = False,
        once: bool = False,
    ) -> dict[str, Any]:
        """Return the body of the request that `stream` would send, as JSON has it; sends nothing.

        Arguments are those of `ask`. Raises InputError for what cannot be sent.

            session.prepare("What is a median?")["messages"]
        """
        options = read_options(locals(), self.settings)
        return self._kernel.prepare(prompt, options).request.body(stream=True, include_usage=True)

    def conversation(self, name: str = "") -> Conversation:
        """Return the conversation of this name, or the one that is in use.

        Raises InputError where there is none of this name.
        """
        check_text(name, "name")
        conversations = self._kernel.conversations
        return Conversation(conversations[name] if name else conversations.in_use)

    @property
    def conversations(self) -> list[Conversation]:
        """All conversations, in the order in which they began."""
        return [Conversation(each) for each in self._kernel.conversations]

    @property
    def latest(self) -> Reply | None:
        """The latest answer, also one that was interrupted or broke off; None before the first."""
        return self._kernel.latest

    @property
    def usage(self) -> Usage:
        """The tokens of all answers of this session; what no server reported is estimated, and marked so."""
        return self._kernel.book.get_total().usage

    @property
    def cost(self) -> Cost:
        """What all answers of this session cost, answers of demo models aside.

        It has no amount where one of them has no price.
        """
        spend = self._kernel.book.get_total()
        nano = None if spend.unpriced_requests else spend.nano
        return Cost(nano, estimated=bool(spend.estimated_nano))

    def models(self, pattern: str = "", *, refresh: bool = False) -> list[Model]:
        """Return the models of the key whose ID holds `pattern`, or matches it where it has `*` or `?`.

        The server is asked once for each key, or again on `refresh`. Raises InputError where none matches,
        APIError or NetworkError where they cannot be listed.

            [model.id for model in session.models("qwen*")]
        """
        check_text(pattern, "pattern")
        return self._kernel.models(pattern or "", refresh=refresh)

    def use_key(self, key: str | None) -> None:
        """Use this API key for the server that is set, instead of any other.

        None looks for a key again: in the environment, then in the keyring of the operating system.
        """
        check_text(key, "key")
        self._kernel.use_key(None if key is None else ApiKey(key))

    def close(self) -> None:
        """Close the connections that are kept alive; the session can still be used."""
        self._kernel.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
