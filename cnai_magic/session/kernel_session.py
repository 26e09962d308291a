"""The session behind every door: magics, the `cnai` command and `cnai_magic.Session` all ask through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..api.interrupts import defer_interrupts
from ..api.model_facts import Model
from ..chat.attempt import Attempt
from ..chat.conversation import CellPosition
from ..chat.conversations import Conversations
from ..chat.reply import Reply
from ..errors import CnaiError
from ..money.book import SpendBook
from ..money.budget import read_budget
from ..money.ledger import Ledger
from ..money.spending import Spending
from ..next_steps import Door
from ..python_words import PYTHON
from ..redaction import ApiKey
from ..settings import Cnai
from .cells import Cells
from .comparisons import Comparisons
from .confirmation import require_confirmation
from .endpoint import Endpoint, resolve_endpoint, resolve_server, write_notice
from .json_question import JSONModes
from .keys import Keys
from .pending_reply import PendingReply
from .question import Options, Question, SavedModel, Target, build_question, find_cut_turn
from .recorder import Recorder
from .replay import explain_unsaved, find_saved_answer
from .servers import Servers, choose_target, find_known_model, match_models, takes_demo_credit, takes_images
from .view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..api.parameters import ParameterValue
    from ..chat.answers import Answers
    from ..chat.comparison import Comparison
    from ..chat.judging import JudgeOptions
    from .batches.batch_question import Sending
    from .batches.batch_view import BatchView
    from .batches.compare import Ways
    from .batches.row_plan import RowPlan
    from .batches.row_progress import Progress
    from .tool_loop import ToolLoop

__all__ = ["KernelSession"]

_NOWHERE = CellPosition()
_DEFAULTS = Options()


class KernelSession:
    """Conversations, spend and settings of one kernel; asks questions, from cells or from anywhere.

    `notify` is called with lines that a person should see once, in the words of `door`. `cells` is what
    concerns the cells of a notebook alone.
    """

    def __init__(
        self,
        settings: Cnai | None = None,
        *,
        notify: Callable[[str], None] | None = None,
        door: Door = PYTHON,
    ) -> None:
        self.settings = settings if settings is not None else Cnai()
        self.door = door
        self.servers = Servers(door)
        self.conversations = Conversations()
        self.notify = notify or (lambda line: None)
        self.spending = Spending(self.settings, self.notify, door)
        self._keys = Keys()
        self._recorder = Recorder(self.settings, self.conversations, self.spending)
        self.cells = Cells(self.conversations, self.spending.book, self._recorder.lock)
        self._announced: set[str] = set()
        self._json_modes = JSONModes()
        self.comparisons = Comparisons(self._recorder, self.cells)

    # -- asking ---------------------------------------------------------------------------------

    def ask(
        self,
        prompt: str,
        options: Options = _DEFAULTS,
        *,
        view: View | None = None,
        position: CellPosition = _NOWHERE,
        former: Sequence[Attempt] = (),
    ) -> Reply:
        """Ask a question and return the answer.

        `former` are answers that the notebook's file holds below the same cell: they become earlier attempts.
        The answer is recorded in the conversation and charged. Raises a CnaiError where there is none: the
        conversation is then as it was. After a KeyboardInterrupt the part that arrived is kept.
        """
        endpoint = self._resolve_to_send()
        self.comparisons.latest = None
        question = self._prepare(endpoint, prompt, options, position, ask=True, former=former)
        if options.to_confirm:
            require_confirmation(self.settings.confirm_above, [question])
        self._announce(endpoint)
        pending = PendingReply(
            partial(self.servers.get_client, endpoint),
            question,
            view or View(),
            self.spending,
            budget=self.budget,
            notebook=self.notebook,
            json_modes=self._json_modes,
            tools=self._build_loop(question),
            settle=self._recorder.settle,
            charge=self._recorder.charge,
        )
        try:
            return pending.receive().reply
        except CnaiError as error:
            explained = self.servers.explain(error, endpoint, question.request)
            if explained is error:
                raise
            raise explained from error.__cause__

    def _build_loop(self, question: Question) -> ToolLoop | None:
        if not question.options.tools:
            return None
        from .tool_loop import ToolLoop

        settings = self.settings
        return ToolLoop(question, settings.tool_steps, settings.value_tokens, settings.confirm_above)

    def replay(
        self,
        prompt: str,
        saved: Sequence[Attempt],
        options: Options = _DEFAULTS,
        *,
        view: View | None = None,
        position: CellPosition = _NOWHERE,
    ) -> Reply:
        """Answer a question from the `saved` answers of its cell, at no cost and without a network.

        Raises ReplayError, which says what differs, where none of them answers exactly this request.
        """
        prepare = partial(self.prepare_as_saved, prompt, options, position, saved=saved)
        question, shown = find_saved_answer(saved, position.index_in_cell, prepare)
        view = view or View()
        view.begin(question, lambda: None)
        with defer_interrupts(view.is_stopping):
            attempt = view.attempt = self._recorder.replay(question, shown)
            view.end(attempt)
        return attempt.reply

    def prepare_as_saved(
        self,
        prompt: str,
        options: Options,
        position: CellPosition,
        answer: SavedModel,
        saved: Sequence[Attempt] = (),
    ) -> Question:
        """Return the question of a saved answer, whose model it has where none is named now."""
        target = Target(options.model or self.settings.model or answer.model, answer.demo)
        # The answer of a question that went on is kept as that of the question.
        return self._build(prompt, replace(options, go_on=False), target, position, saved)

    def prepare(
        self,
        prompt: str,
        options: Options = _DEFAULTS,
        *,
        position: CellPosition = _NOWHERE,
        ask: bool = False,
    ) -> Question:
        """Return the question as it would be sent; raises InputError where it cannot be; see `plan_rows`."""
        endpoint = self.resolve_endpoint()
        question = self._prepare(endpoint, prompt, options, position, ask=ask)
        request = self.servers.drop_refused(endpoint, question.request)
        mode = self._json_modes.find(question.host, request)
        return replace(question, request=request.asking_for_json(mode))

    def _prepare(
        self,
        endpoint: Endpoint,
        prompt: str,
        options: Options,
        position: CellPosition,
        *,
        ask: bool,
        former: Sequence[Attempt] = (),
    ) -> Question:
        """Prepare a question; with `ask`, the server is asked for what it alone knows."""
        settings, named = self.settings, options.model
        if options.go_on and not named:
            _, cut = find_cut_turn(self.conversations, options.chat, position)
            named = cut.reply.model
        own = None if settings.replay else settings.prices  # a replayed answer needs no price
        target = choose_target(self.servers, endpoint, named or settings.model, own, ask=ask)
        return self._build(prompt, options, target, position, former)

    def _build(
        self, prompt: str, options: Options, target: Target, position: CellPosition, former: Sequence[Attempt]
    ) -> Question:
        with self._recorder.lock.current:
            kept = self.conversations
            return build_question(
                prompt, options, target, position, settings=self.settings, conversations=kept, former=former
            )

    def _announce(self, endpoint: Endpoint) -> None:
        """Say once what a person should know of the server before anything is sent to it."""
        if endpoint.place not in self._announced:
            self._announced.add(endpoint.place)
            if line := write_notice(endpoint, self.door):
                self.notify(line)

    # -- many questions ---------------------------------------------------------------------------

    def plan_rows(
        self,
        rows: Sequence[Any],
        prompts: Sequence[str],
        options: Options,
        endpoint: Endpoint | None = None,
        *,
        ask: bool = False,
    ) -> RowPlan:
        """Return what would be sent for rows; raises InputError where it cannot be.

        With `ask` the server is asked for what it alone knows.
        """
        from .batches.row_plan import RowPlan

        first = next((each for each in prompts if each.strip()), "")
        endpoint = endpoint or self.resolve_endpoint()
        one = self._prepare(endpoint, first, replace(options, once=True, stream=False), _NOWHERE, ask=ask)
        return RowPlan(one, rows, prompts, (self.notebook, endpoint.base_url))

    def ask_rows(
        self,
        rows: Sequence[Any],
        prompts: Sequence[str],
        options: Options,
        *,
        parallel: int | None = None,
        max_cost: object = None,
        fresh: bool = False,
        judged_by: JudgeOptions | None = None,
        show: Callable[[Progress], None] = lambda progress: None,
    ) -> Answers:
        """Ask each of the prompts, those of `rows`, outside of any conversation, and return the answers.

        What was answered before for this notebook is not asked again, unless it is to be `fresh`. `max_cost`
        limits what this may cost, see `read_max_cost`; many rows need it, or a budget. `show` is called with
        the progress, and `judged_by` says who judges the answers then, which costs too. Raises the CnaiError
        for which nothing was sent; where answers are replayed, those that are kept are returned.
        """
        # Late, because asyncio and SQLite come with it.
        from .batches.judge import judge_rows
        from .batches.replayed_rows import replay_rows
        from .batches.row_batch import RowBatch

        judge = partial(judge_rows, self.ask_rows, show, prompts)
        if self.settings.replay:
            return replay_rows(self, rows, prompts, options, judge)
        endpoint = self.resolve_endpoint()
        plan = self.plan_rows(rows, prompts, options, endpoint, ask=True)
        self._announce(endpoint)
        batch = RowBatch(self, plan, endpoint, self._choose_sending(endpoint, parallel), show)
        if fresh:
            batch.forget()
        return batch.run(judge, max_cost, judged_by)

    def compare(
        self,
        prompt: str,
        options: Options,
        ways: Ways,
        *,
        parallel: int | None = None,
        position: CellPosition = _NOWHERE,
        judged_by: JudgeOptions | None = None,
        view: BatchView,
    ) -> Comparison:
        """Ask a question in several ways at once, and return the answers, of which none is a turn yet.

        `judged_by` is that of `ask_rows`. Raises the CnaiError for which nothing was sent. After an interrupt
        `comparisons` has what came.
        """
        from .batches.compare import compare
        from .batches.judge import judge_comparison, plan_judge

        endpoint = self._resolve_to_send()

        def build(model: str, varied: Mapping[str, ParameterValue]) -> Question:
            return self._prepare(endpoint, prompt, options.varied_by(model, varied), position, ask=True)

        return compare(
            ways,
            build,
            lambda: self.servers.get_client(endpoint.renew(self.resolve_endpoint())),
            self._recorder,
            self.spending,
            sending=self._choose_sending(endpoint, parallel),
            budget=lambda: self.budget,
            explain=lambda error, request: self.servers.explain(error, endpoint, request),
            view=view,
            confirm_above=self.settings.confirm_above if options.to_confirm else None,
            announce=partial(self._announce, endpoint),
            keep=self.comparisons.add,
            judge=partial(judge_comparison, self.ask_rows),
            plan_judge=partial(plan_judge, partial(self.prepare, ask=True), judged_by),
        )

    def _choose_sending(self, endpoint: Endpoint, parallel: int | None) -> Sending:
        from .batches.batch_question import Sending

        return Sending(parallel or self.settings.parallel, endpoint.retries, self.notebook, self._json_modes)

    # -- servers --------------------------------------------------------------------------------

    def resolve_endpoint(self) -> Endpoint:
        """Return the endpoint that the settings choose now; the keyring may be read."""
        return resolve_endpoint(self.settings, self._keys)

    def _resolve_to_send(self) -> Endpoint:
        """Return the endpoint of a request that is sent; raises InputError where answers are replayed."""
        if self.settings.replay:
            raise explain_unsaved()
        return self.resolve_endpoint()

    def models(self, pattern: str = "", *, refresh: bool = False) -> list[Model]:
        """Return the models of the key whose ID holds `pattern`, or matches it where it has `*` or `?`.

        The server is asked once per address and key, or on `refresh`. Raises InputError where none matches.
        """
        return match_models(self.servers.list_models(self.resolve_endpoint(), refresh=refresh), pattern)

    def use_key(self, key: ApiKey | None) -> None:
        """Use this key for the server that is set, instead of any other; None looks for one again."""
        self._keys.use(key, resolve_server(self.settings.base_url))

    def close(self) -> None:
        """Close the connections that are kept alive; the session can still be used."""
        self.servers.close()

    def find_default_model(self) -> str:
        """Return the model that is asked when a question names none; "" where there is none."""
        return find_known_model(self.servers, self.resolve_endpoint(), self.settings.model)

    def takes_images(self, model: str) -> bool:
        """Tell whether it is known that a model takes images, "" for the default one; no server is asked."""
        return takes_images(self.servers, self.resolve_endpoint(), model or self.settings.model)

    def asks_demo(self) -> bool:
        """Return whether a question that names no model would take demo credit; no server is asked."""
        endpoint = self.resolve_endpoint()
        model = find_known_model(self.servers, endpoint, self.settings.model)
        return takes_demo_credit(self.servers, endpoint, model, ask=False)

    # -- answers and money ----------------------------------------------------------------------

    @property
    def latest(self) -> Reply | None:
        """The latest answer, also one that was interrupted or broke off."""
        attempt = self._recorder.latest
        return None if attempt is None else attempt.reply

    @property
    def latest_attempt(self) -> Attempt | None:
        """The latest answer with its place in a conversation."""
        return self._recorder.latest

    @property
    def notebook(self) -> str:
        """The path under which the ledger counts what is spent, "" where it is not known."""
        return self._recorder.notebook

    @notebook.setter
    def notebook(self, path: str) -> None:
        self._recorder.notebook = path

    @property
    def book(self) -> SpendBook:
        """What this kernel has spent."""
        return self.spending.book

    @property
    def budget(self) -> int | None:
        """The budget of this kernel in nano-USD, None where there is none; raises InputError for nonsense."""
        return read_budget(given) if (given := self.settings.budget) not in (None, "") else None

    @property
    def ledger(self) -> Ledger | None:
        """The record of what all notebooks spend, None where it is off."""
        return self.spending.get_ledger()
