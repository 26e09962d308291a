"""Final outputs: of an answer, and of a whole conversation."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from IPython.display import display

from ..chat.attempt import Attempt
from ..chat.conversation import KernelConversation
from ..chat.markdown import escape_markdown, write_markdown
from ..chat.markdown.typed_lines import keep_lines
from ..languages import translate
from ..notebook.record import build_bundle, build_metadata, build_texts
from ..redaction import clean
from ..session.question import Question
from ..session.view import Batch, View

__all__ = ["StaticView", "Transcript"]

_ALL_ABSENT = (
    "It has no turns now: the cells that asked were deleted, or their outputs cleared."
    " Run them again, or undo that."
)


class StaticView(View):
    """Shows the final output and nothing before it; `display_id` names the output."""

    def __init__(self, *, is_saved: bool = True) -> None:
        self.display_id = uuid4().hex
        self.is_saved = is_saved

    def begin(self, question: Question, stop: Callable[[], None]) -> None:
        """Show nothing yet."""

    def update(self, batch: Batch) -> None:
        """Show nothing yet."""

    def end(self, attempt: Attempt) -> None:
        """Show the final output."""
        display(build_bundle(attempt), metadata=build_metadata(attempt), raw=True, display_id=self.display_id)  # type: ignore[no-untyped-call]

    def fail(self, attempt: Attempt | None) -> None:
        """Show the part of a failed answer that arrived."""
        if attempt is not None:
            self.end(attempt)

    def is_stopping(self) -> bool:
        """Return False: an interrupt is the person's own here."""
        return False


class Transcript:
    """Shows a conversation from top to bottom, or only its turn at `index`."""

    def __init__(self, conversation: KernelConversation, index: int | None = None) -> None:
        turns = list(enumerate(conversation.turns, 1))
        self._turns = turns if index is None else turns[index : index + 1]
        self._name = conversation.name
        self._absent = bool(conversation.absent)
        sent = [conversation.find_system_of(turn) for _, turn in self._turns] or [conversation.last_system]
        # Each where it is another one than above.
        pairs = zip([None, *sent], sent, strict=False)
        self._systems = [None if now == above else now for above, now in pairs]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        title = translate(f"Conversation {clean(self._name)}")
        markdown = [f"**{escape_markdown(title)}**"]
        plain = [title]
        if not self._turns:
            self._write_system(self._systems[0], markdown, plain)
            none = translate(_ALL_ABSENT if self._absent else "It has no turns yet.")
            markdown.append(none)
            plain.append(none)
        for (number, turn), system in zip(self._turns, self._systems, strict=False):
            self._write_system(system, markdown, plain)
            answer = build_texts(turn.reply, turn.reply.summary)
            prompt = clean(turn.reply.prompt)
            question = write_markdown(f"**{number}.**\n\n{keep_lines(prompt)}", quoted=True)
            markdown += [question, answer["text/markdown"]]
            plain += [f"[{number}] {prompt}", answer["text/plain"]]
        return {"text/markdown": "\n\n".join(markdown), "text/plain": "\n\n".join(plain)}

    @staticmethod
    def _write_system(system: str | None, markdown: list[str], plain: list[str]) -> None:
        if system:
            markdown.append(f"*{translate('System:')}*\n\n{write_markdown(keep_lines(clean(system)))}")
            plain.append(f"{translate('System:')} {clean(system)}")

    def __repr__(self) -> str:
        return self._repr_mimebundle_()["text/plain"]
