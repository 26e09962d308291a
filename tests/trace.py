"""`python -m tests.trace`: follows one plain question through the package, move by move.

A move is a call from one file of the package to another, on any thread, also where a library stands between
the two; properties are calls. What the same place calls again is no new move, and neither is what Python
itself calls (`__init__`, `__add__`). The question is asked of a scripted server, with a view as a magic has,
and for the second time: imports, the connection and the models are not part of it.
"""

from __future__ import annotations

import _thread
import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import cnai_magic
from cnai_magic.display.terminal import TerminalView
from cnai_magic.redaction import ApiKey
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import Cnai
from tests.servers import KEY, ScriptedServer, sse

_PACKAGE = f"{Path(cnai_magic.__file__).parent}/"


class Move(NamedTuple):
    """A call of `function`; `of` and `to` are files within the package."""

    of: str
    to: str
    function: str


def trace_question() -> list[Move]:
    """Ask one question and return its moves, each once, in order."""
    with ScriptedServer() as server, contextlib.redirect_stdout(io.StringIO()):
        server.always(sse("The median ", "is the ", "middle value."))
        session = KernelSession(Cnai(base_url=server.base_url, model="m", ledger="off"))
        session.use_key(ApiKey(KEY))
        session.ask("What is a mean?", view=TerminalView())
        with _traced() as moves:
            session.ask("What is a median?", view=TerminalView())
        session.close()
    return list(dict.fromkeys(moves))


@contextlib.contextmanager
def _traced() -> Iterator[list[Move]]:
    """Collect the moves of all threads within the block."""
    moves: list[Move] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        to, function = _file(frame), frame.f_code.co_name
        if event != "call" or not to or function.startswith("__"):
            return
        caller = frame.f_back
        while caller is not None and not _file(caller):
            caller = caller.f_back
        if caller is not None and _file(caller) != to:
            moves.append(Move(_file(caller), to, function))

    def start(work: Callable[..., object], args: tuple[Any, ...]) -> int:
        def traced(*args: Any) -> None:
            sys.setprofile(note)
            work(*args)

        return untraced(traced, args)

    # The package starts its threads by this function, of which `threading.setprofile` does not know.
    untraced, _thread.start_new_thread = _thread.start_new_thread, start  # type: ignore[assignment]
    sys.setprofile(note)
    try:
        yield moves
    finally:
        sys.setprofile(None)
        _thread.start_new_thread = untraced


def _file(frame: FrameType) -> str:
    """Return the file of a frame within the package, "" for one outside of it."""
    name = frame.f_code.co_filename
    return name.removeprefix(_PACKAGE) if name.startswith(_PACKAGE) else ""


def packages_of(moves: list[Move]) -> dict[str, int]:
    """Return how many moves lead to each package."""
    names = [_package(move.to) for move in moves]
    return {name: names.count(name) for name in sorted(names, key=names.count, reverse=True)}


def _package(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def main() -> None:
    """Print the moves in order, then the sums."""
    moves = trace_question()
    for (of, to), group in groupby(moves, lambda move: (move.of, move.to)):
        print(f"{of:26} → {to:26} {', '.join(move.function for move in group)}")
    packages = packages_of(moves)
    files = {file for move in moves for file in move[:2]}
    print("\n" + " · ".join(f"{name} {count}" for name, count in packages.items()))
    across = sum(_package(move.of) != _package(move.to) for move in moves)
    print(
        f"{len(moves)} moves between {len(files)} files of {len(packages)} packages, {across} across packages"
    )


if __name__ == "__main__":
    main()
