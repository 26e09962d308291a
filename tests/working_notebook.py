"""A notebook as it is worked on, without a kernel: cells that ask and command, and the outputs that stay.

It does what the magics and a front end do: an output takes the place of the cell's former ones, an update
takes the place of the output of its display ID, and an error that of all that was shown before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnai_magic.chat.attempt import Attempt
from cnai_magic.chat.cell_run import CellRun
from cnai_magic.display.line import Recorded
from cnai_magic.display.shown_comparison import ShownComparison
from cnai_magic.errors import CnaiError, InputError
from cnai_magic.magics.chat_commands import run_chat_command
from cnai_magic.notebook.record import build_bundle, build_metadata
from cnai_magic.notebook.restore import restore
from cnai_magic.notebook.saved_outputs import SavedCell
from cnai_magic.redaction import ApiKey
from cnai_magic.session.batches.batch_view import BatchView
from cnai_magic.session.batches.compare import Ways
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.session.question import find_cut_turn
from cnai_magic.session.view import View
from cnai_magic.settings import Cnai
from tests.options import options_of
from tests.servers import CLOSE, KEY, ScriptedServer, answer, chunked, failure, sse
from tests.servers import Step as ServerStep
from tests.session.test_tool_loop import call, calls

__all__ = ["Ask", "WorkingNotebook"]


@dataclass(frozen=True)
class Ask:
    """A question: its options; whether it is "answered", "refused", "broken", "cut", "empty"; its text.

    `times` above 1 asks it so often at once, for answers of which one may be kept.
    """

    options: dict[str, Any] = field(default_factory=dict)
    outcome: str = "answered"
    prompt: str = ""
    times: int = 1


Step = Ask | str
"""A question, or a line of %cnai_chat."""


# What a server sends whose answer has a text.
_OUTCOMES: dict[str, Callable[[str], list[ServerStep]]] = {
    "answered": sse,
    "empty": lambda _: sse(),
    "cut": lambda text: sse(text, finish="length"),
    "refused": lambda _: failure(402, "insufficient_quota"),
    "broken": lambda text: [*chunked(answer(text, done=False))[:2], CLOSE],
}


class WorkingNotebook:
    """Cells with their outputs, and the session of a kernel that runs them.

    `document` are all cells in order, as the page tells them; without it only the runs have an order.
    """

    def __init__(
        self, server: ScriptedServer, session: KernelSession | None = None, document: Sequence[str] = ()
    ) -> None:
        self.server = server
        self.document = document
        self._use(session or self._begin())
        self.outputs: dict[str, dict[str, dict[str, Any]]] = {}
        self.count = 0

    def _begin(self) -> KernelSession:
        return KernelSession(
            Cnai(base_url=self.server.base_url, model="m", retries=0, ledger="off", prices={"m": (1, 2)})
        )

    def _use(self, session: KernelSession) -> None:
        self.session = session
        session.use_key(ApiKey(KEY))
        if self.document:
            session.cells.documents.see_page("a.ipynb", self.document, now=1.0)
            session.cells.arrange()

    def restart(self) -> None:
        """Go on in another kernel, which restores the notebook."""
        settings = self.session.settings
        self.session.close()
        self._use(self._begin())
        self.session.settings.save_attempts = settings.save_attempts
        restored = restore(self.saved())
        restored.cells = list(map(self._list_recorded, self.outputs))
        self.session.cells.restore(restored)
        for each in restored.comparisons:
            latest = restored.undecided and each is restored.comparisons[-1]
            self.session.comparisons.restore(each, latest=latest)

    def run(self, cell: str, *steps: Step) -> bool:
        """Run a cell; return whether all of it succeeded."""
        run = CellRun(object(), cell)
        self.session.cells.begin_run(run)
        outputs = self.outputs[cell] = {}
        succeeded = False
        try:
            for step in steps:
                if isinstance(step, str):
                    self._command(run, outputs, step)
                else:
                    (self._compare if step.times > 1 else self._ask)(run, outputs, step)
            succeeded = True
        except CnaiError:
            pass
        kept = self.session.cells.end_of_run(run, succeeded=succeeded)
        most = self.session.settings.save_attempts
        if kept and run.outputs and succeeded:
            about = outputs[run.outputs[-1].display_id].setdefault("metadata", {})
            about.setdefault("cnai", kept.to_metadata(self.session.conversations)["cnai"])["kept"] = (
                kept.record(most)
            )
        elif kept:
            about = kept.to_metadata(self.session.conversations)
            about["cnai"]["kept"] = kept.record(most)
            outputs["note"] = {
                "data": {"text/plain": kept.note(self.session.conversations)},
                "metadata": about,
            }
        self._note_written(cell)
        return succeeded

    def _note_written(self, cell: str) -> None:
        """Tell the kernel what the file will hold of a cell."""
        self.session.cells.written.forget(cell)
        self.session.cells.written.restore([self._list_recorded(cell)])

    def _list_recorded(self, cell: str) -> SavedCell:
        outputs = self.outputs[cell].values()
        return SavedCell(cell, "", [each for each in outputs if each.get("metadata")])

    def _ask(self, run: CellRun, outputs: dict[str, dict[str, Any]], step: Ask) -> None:
        self.count += 1
        goes_on = bool(step.options.get("go_on"))
        prompt = "" if goes_on else step.prompt or f"question {self.count}"
        # A real model does not answer twice in the same words.
        text = f"answer {self.count} to {prompt}"
        self.server.always(_OUTCOMES[step.outcome](text))
        if "tools" in step.options:
            self.server.reply(calls(call("look_up", "{}", id="x1")))
        position = run.ask()
        if goes_on and find_cut_turn(self.session.conversations, "", position)[1].cell != run.cell:
            raise InputError("the answer is in the output of another cell")
        position, view, before = (
            position,
            _View(outputs, f"answer {self.count}"),
            self.session.latest_attempt,
        )
        try:
            self.session.ask(prompt, options_of(step.options), view=view, position=position)
        finally:
            # One that was not asked: a call of a tool is no answer to the next question.
            self.server.forget_replies()
            latest = self.session.latest_attempt
            if latest is not None and latest is not before:
                run.show(view.display_id, latest)
        once = step.options.get("once")
        if latest is not None and (once or latest.turn):
            run.answer("" if once else latest.conversation, position)

    def _compare(self, run: CellRun, outputs: dict[str, dict[str, Any]], step: Ask) -> None:
        self.count += 1
        self.server.always(sse(f"one of {self.count}"))
        position, session = run.ask(), self.session
        ways = Ways([""], {}, step.times)
        compared = session.compare(
            f"question {self.count}", options_of(step.options), ways, position=position, view=BatchView()
        )
        if session.conversations.in_use.turn_at(position) is not None:
            run.answer(session.conversations.in_use.name, position)
        shown = ShownComparison(compared, "")
        compared.display_id = f"compared {self.count}"
        data, about = shown._repr_mimebundle_()
        outputs[compared.display_id] = {"data": data, "metadata": json.loads(json.dumps(about))}
        run.show(compared.display_id, shown)

    def _command(self, run: CellRun, outputs: dict[str, dict[str, Any]], line: str) -> None:
        position = run.count_command()
        shown = run_chat_command(self.session, line, lambda: None, position=position, asked=run.asked)
        data, about = Recorded.of(shown)._repr_mimebundle_()
        name = f"command {position.index_in_cell}"
        outputs[name] = {"data": data, "metadata": json.loads(json.dumps(about))}
        run.show(name, shown)
        if isinstance(shown, Recorded) and shown.changed is not None:
            name, attempt, conversation = shown.changed
            cell = next(cell for cell, each in self.outputs.items() if name in each)
            outputs = self.outputs[cell]
            outputs[name] = {"data": build_bundle(attempt), "metadata": build_metadata(attempt, conversation)}
            kept = self.session.cells.find_kept_beside(attempt)
            if kept:
                most = self.session.settings.save_attempts
                outputs[name]["metadata"]["cnai"]["kept"] = kept.record(most)
            self._note_written(cell)

    def sent(self, number: int) -> list[tuple[str, str]]:
        """Return the messages of a request: who says what."""
        return [(each["role"], each["content"]) for each in self.server.requests[number].json()["messages"]]

    def saved(self, order: Sequence[str] = ()) -> list[SavedCell]:
        """Return the cells as the file has them."""
        saved = json.loads(json.dumps(self.outputs))
        return [SavedCell(cell, "", list(saved[cell].values())) for cell in order or saved]


class _View(View):
    """Writes the final output, as the views of a notebook do."""

    def __init__(self, outputs: dict[str, dict[str, Any]], display_id: str) -> None:
        self.display_id = display_id
        self._outputs = outputs

    def end(self, attempt: Attempt) -> None:
        self._outputs[self.display_id] = {"data": build_bundle(attempt), "metadata": build_metadata(attempt)}

    def fail(self, attempt: Attempt | None) -> None:
        if attempt is not None:
            self.end(attempt)
