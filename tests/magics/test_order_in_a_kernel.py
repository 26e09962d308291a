"""What a kernel sends when cells are edited as a reader edits them: it follows the document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from cnai_magic.notebook.ipynb import read_notebook
from cnai_magic.notebook.restore import restore
from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.servers import KEY, ScriptedServer, sse


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.always(sse("yes"))
        yield server


def environment(server: ScriptedServer) -> dict[str, str]:
    about = {"CNAI_BASE_URL": server.base_url, "CNAI_API_KEY": KEY, "CNAI_MODEL": "m"}
    return {**about, "CNAI_LEDGER": "off"}


def questions(server: ScriptedServer) -> str:
    """Return the questions that were sent last, each a letter."""
    sent = server.requests[-1].json()["messages"]
    return "".join(each["content"] for each in sent if each["role"] == "user")


def test_the_page_tells_the_order(server: ScriptedServer, tmp_path: Path) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:

        def ask(cell: str, document: str, path: str = "a.ipynb", page_name: str = "") -> Ran:
            ran = kernel.run(f"%%cnai\n{cell}", cell, document=document, path=path, page_name=page_name)
            assert not ran.error
            return ran

        for number, cell in enumerate("abc", 1):
            ask(cell, "abc"[:number])
        ran = ask("x", "axbc")
        assert questions(server) == "ax"
        assert ran.final["footer"].endswith("2 below are stale")
        ask("d", "axbcd")
        assert questions(server) == "axbcd"
        ask("d", "bcd")
        assert questions(server) == "bcd"
        ask("d", "cabd")
        assert questions(server) == "cabd"
        dropped = kernel.run("%cnai_chat drop 1", "drop", document=["c", "a", "b", "d", "drop"])
        assert (
            dropped.shown == "Taken out of 'main': 'c' · back if this cell is deleted or its output cleared"
        )
        ask("c", "cabd")
        # What is not sound tells nothing, and so does a list without the cell that runs.
        for document in ("cab", ["d", "c a"], [*"dabc"] * 30_000):
            ask("d", document)  # type: ignore[arg-type]
            assert questions(server) == "cabd"
        # Another notebook on the same kernel goes on below the first one.
        ask("m", "lm", path="folder/b.ipynb")
        assert questions(server) == "cabdm"
        ask("d", "cabd")
        assert questions(server) == "cabd"
        ask("n", "nm", path="folder/b.ipynb", page_name="second")
        assert questions(server) == "cabdn"
        # Renamed, and most of its cells deleted before another one runs.
        ask("d", "cabd", page_name="first")
        ask("e", "be", path="renamed.ipynb", page_name="first")
        assert questions(server) == "be"
        ask("n", "mn", path="folder/c.ipynb", page_name="second")
        assert questions(server) == "bemn"


def test_the_saved_file_tells_the_order(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"

    def save(cells: str, without_output: str = "") -> None:
        notebook = nbformat.v4.new_notebook()
        shown = [nbformat.v4.new_output("stream", text="yes")]
        notebook.cells = [
            nbformat.v4.new_code_cell(
                f"%%cnai\n{cell}", id=cell, outputs=[] if cell in without_output else shown
            )
            for cell in cells
        ]
        nbformat.write(notebook, path)

    with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment(server)) as kernel:

        def ask(cell: str) -> str:
            ran = kernel.run(f"%%cnai\n{cell}", cell)
            assert not ran.error
            return str(ran.final["footer"])

        save("abc", without_output="abc")
        for cell in "abc":
            assert "order" not in ask(cell)
        # It has not been saved since they ran.
        assert questions(server) == "abc"
        ask("a")
        # Not saved yet: below the cell that ran before it.
        assert "order of the saved notebook" in ask("x")
        assert questions(server) == "ax"
        save("bxcd", without_output="xd")
        assert "1 turn above not sent, no output shown" in ask("d")
        assert questions(server) == "bcd"
        save("bxcd")
        assert "order" not in ask("d")
        assert questions(server) == "bxcd"
        # Its run shows that it is there again.
        assert "order of the saved notebook" in ask("a")
        save("abxcd")
        ask("d")
        assert questions(server) == "abxcd"
        dry = kernel.run("%%cnai --dry-run\nx", "x").shown
        assert "order of the saved notebook" in dry.splitlines()[0]


def test_the_hardest_edits_are_followed(server: ScriptedServer, tmp_path: Path) -> None:
    with running_kernel(tmp_path, **environment(server)) as kernel:

        def run(source: str, cell: str, document: str, path: str = "a.ipynb") -> Ran:
            ran = kernel.run(source, cell, document=document, path=path)
            assert not ran.error, ran.error
            return ran

        def ask(cell: str, document: str, path: str = "a.ipynb") -> str:
            run(f"%%cnai\n{cell}", cell, document, path)
            return questions(server)

        # Two questions in one cell stand there one after the other, also where the cell is moved.
        run("%cnai A\n%cnai B", "t", "t")
        assert questions(server) == "AB"
        assert ask("a", "at") == "a"
        assert ask("z", "atz") == "aABz"
        run("%cnai A\n%cnai B", "t", "zta")
        assert questions(server) == "zAB"
        # One that appends stands in its cell too, below what was asked there before.
        for _ in range(2):
            run("%%cnai --append\np", "p", "zpta")
        assert questions(server) == "zpp"
        assert ask("a", "zpta") == "zppABa"
        assert ask("a", "zta") == "zABa"
        # What %rerun runs again is a question of the cell in which that stands.
        run("%cnai R", "r", "rzta")
        kernel.run("r = get_ipython().run_cell('%cnai S')", "s", document="rzsta")
        assert questions(server) == "RzS"
        assert ask("z", "rzta") == "Rz"
        # A cell that was deleted while its answer came is not sent; it comes back with its cell.
        assert ask("y", "rztay") == "RzABay"
        assert ask("a", "za") == "za"
        assert ask("a", "zya") == "zya"
        # Questions without a cell stand below all that was asked before them.
        kernel.run("%cnai K")
        assert questions(server) == "zyaK"
        assert ask("q", "zyaq") == "zyaKq"
        assert ask("q", "qzya") == "q"
        # A fork takes what stands above its command; moved up and run again, it takes what stands above then.
        run("%cnai_chat fork plan", "f", "zfya")
        assert ask("b", "zfbya") == "zb"
        assert ask("b", "fzbya") == "zb"
        run("%cnai_chat fork plan", "f", "fzbya")
        assert ask("b", "fzbya") == "b"
        assert ask("y", "fzbya") == "by"
        run("%cnai_chat use main", "u", "fzbyau")
        assert ask("a", "fzbyau") == "zya"
        # From here on the answer states what the command did.
        # A renamed notebook is the same one.
        assert ask("a", "fzba", "renamed.ipynb") == "za"
        assert ask("a", "fzbya", "renamed.ipynb") == "zya"
        # A dry run, a turn's number and `drop` follow the document.
        dry = kernel.run("%%cnai --dry-run\nx", "x", document=[*"fzbxya"]).shown
        assert "turn 2 · order of the page" in dry
        assert "'y'" in run("%cnai_chat drop 2", "d", "fzbyad").shown
        assert ask("a", "fzba") == "za"
        # It comes back with the cell of `drop` deleted, unless that has run something else by then.
        assert ask("a", "fzbya") == "zya"
        run("x = 1", "d", "fzbyad")
        assert ask("a", "fzbyad") == "za"
        assert ask("a", "fzbya") == "za"


def test_other_front_ends_and_a_restart_keep_the_order(server: ScriptedServer, tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"
    ran: dict[str, Ran] = {}
    with running_kernel(tmp_path, **environment(server)) as kernel:
        for cell, document in (("a", "a"), ("b", "ab"), ("c", "acb"), ("d", "dacb")):
            ran[cell] = kernel.run(f"%%cnai\n{cell}", cell, document=document)
        assert questions(server) == "d"
        ran["b"] = kernel.run("%%cnai\nb", "b", document="dacb")
        live = questions(server)
    saved_as(path, *((cell, f"%%cnai\n{cell}", ran[cell]) for cell in "dacb"))
    with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment(server)) as kernel:
        kernel.run("%cnai_chat restore")
        kernel.run("%%cnai\na", "a")
        assert questions(server) == "da"
        assert live == "dacb"
        # VS Code names cells by addresses: they are found by their sources.
        kernel.run("%%cnai\nb", "vscode-notebook-cell:/a#X3")
        assert questions(server) == "dacb"
        kernel.run("%%cnai\nc", "vscode-notebook-cell:/a#X2")
        assert questions(server) == "dac"


def test_cells_without_ids_in_the_file_are_those_of_the_page(server: ScriptedServer, tmp_path: Path) -> None:
    """As in a notebook of format 4.4: the page gives its cells other IDs in each session."""
    path = tmp_path / "lesson.ipynb"
    with running_kernel(tmp_path, **environment(server)) as kernel:
        ran = {cell: kernel.run(f"%%cnai\n{cell}", cell, document="abcd") for cell in "abcd"}
    notebook = saved_as(path, *((cell, f"%%cnai\n{cell}", ran[cell]) for cell in "abcd"))
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        del cell["id"]
    path.write_text(nbformat.writes(notebook))
    with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment(server)) as kernel:

        def ask(source: str, cell: str, document: str) -> str:
            footer = str(kernel.run(f"%%cnai\n{source}", cell, document=document).final["footer"])
            return f"{questions(server)} {'order of the saved notebook' in footer}"

        kernel.run("%cnai_chat restore", "r", document="rwxyz")
        # There is one cell more than in the file: which cell is which is known of those that ran.
        assert ask("b", "x", "rwxyz") == "ab True"
        assert ask("d", "z", "rwxyz") == "abcd True"
        # Without it all are known, also one that is edited.
        assert ask("d", "z", "wxyz") == "abcd False"
        assert ask("new a", "w", "wxyz") == "new a False"
        assert ask("c", "y", "xywz") == "bc False"
        assert ask("n", "n", "xnz") == "bn False"


def test_a_file_whose_cells_got_other_ids_is_followed_once_restored(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """As when it is replaced by another tool, and the page loads it again."""
    path = tmp_path / "lesson.ipynb"
    with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment(server)) as kernel:
        ran = {cell: kernel.run(f"%%cnai\n{cell}", cell, document="abc") for cell in "abc"}
        saved_as(path, *((new, f"%%cnai\n{cell}", ran[cell]) for cell, new in zip("cab", "xyz", strict=True)))
        kernel.run("%cnai_chat restore", "r", document="xyzr")
        kernel.run("%%cnai\nn", "n", document="xyzn")
        assert questions(server) == "cabn"
        kernel.run("%%cnai\na", "y", document="xyzn")
        assert questions(server) == "ca"


def test_what_a_thread_and_a_task_ask_after_their_cell_ended_stands_below_that_cell(
    server: ScriptedServer, tmp_path: Path
) -> None:
    begin_thread = (
        "import threading\ngo, done = threading.Event(), threading.Event()\n"
        "def work():\n    go.wait(60)\n    get_ipython().run_line_magic('cnai', 'X')\n    done.set()\n"
        "threading.Thread(target=work).start()"
    )
    begin_task = (
        "import asyncio\nevent = asyncio.Event()\n"
        "async def work():\n    await event.wait()\n    get_ipython().run_line_magic('cnai', 'Y')\n"
        "task = asyncio.ensure_future(work())"
    )
    with running_kernel(tmp_path, **environment(server)) as kernel:
        shown: dict[str, Ran] = {}

        def run(source: str, cell: str) -> str:
            ran = shown[cell] = kernel.run(source, cell, document="abcdl")
            assert not ran.error, ran.error
            return questions(server)

        def asked_below(cell: str) -> str:
            saved_as(tmp_path / "saved.ipynb", (cell, "", shown[cell]))
            restored = restore(read_notebook(tmp_path / "saved.ipynb").cells).conversations
            return "".join(each.reply.prompt for each in restored["main"].turns)

        run(begin_thread, "a")
        run("%cnai A\ngo.set()\ndone.wait(60)\n%cnai B", "b")
        # What it asked stands where it was begun, not where another cell ran.
        assert run("%cnai C", "c") == "XABC"
        run(begin_task, "d")
        run("%cnai C\nevent.set()\nawait task\n%cnai D", "c")
        assert {cell: asked_below(cell) for cell in "abcd"} == {"a": "X", "b": "AB", "c": "CD", "d": "Y"}
        for _ in range(2):
            sent = run("for each in 'EF': get_ipython().run_cell_magic('cnai', '', each)", "l")
            assert sent.replace("X", "").replace("Y", "") == "ABCDEF"
            assert sorted(sent) == sorted("ABCDEFXY")
        reloaded = (
            "import importlib, cnai_magic\nimportlib.reload(cnai_magic)\n%reload_ext cnai_magic\n%reset -f"
        )
        run(reloaded, "m")
        kernel.run("import copy, pickle")
        run("%cnai G", "l")
        assert kernel.value("copy.deepcopy(_cnai) == pickle.loads(pickle.dumps(_cnai)) == _cnai")
        assert len(questions(server)) > 6, "what was asked before is still sent"


def test_a_thread_that_waits_for_work_asks_for_the_cell_that_gives_it(
    server: ScriptedServer, tmp_path: Path
) -> None:
    begin = (
        "import asyncio, queue, threading\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from multiprocessing.pool import ThreadPool\n"
        "pool, threads, jobs, go = ThreadPoolExecutor(1), ThreadPool(1), queue.Queue(), threading.Event()\n"
        "def ask(prompt):\n    get_ipython().run_line_magic('cnai', prompt)\n"
        "def work():\n    while True:\n        ask(jobs.get())\n        jobs.task_done()\n"
        "threading.Thread(target=work, daemon=True).start()"
    )
    cells = {
        "a": "ask('A')\nlist(pool.map(ask, 'B'))",
        "b": "list(pool.map(ask, 'CD'))\nthreads.map(ask, 'E')",
        "c": "await asyncio.to_thread(ask, 'F')\nthreads.map(ask, 'G')",
        "d": "await asyncio.to_thread(ask, 'H')\njobs.put('I')\njobs.join()",
        # It goes on when its cell has ended, and other cells give the same thread work.
        "e": "go.clear()\nheld = pool.submit(lambda: (go.wait(60), ask('J'), ask('K')))",
        "f": "go.set()\nheld.result(60)\nask('L')",
        "g": "list(pool.map(ask, 'M'))",
    }
    with running_kernel(tmp_path, **environment(server)) as kernel:
        kernel.run(begin, "s", document="sabcdefgl")
        for cell in "abcdefgcadbefg":
            ran = kernel.run(cells[cell], cell, document="sabcdefgl")
            assert not ran.error, ran.error
        kernel.run("ask('last')", "l", document="sabcdefgl")
        assert questions(server) == "ABCDEFGHIJKLMlast"


def test_what_a_widget_asks_is_a_turn_of_its_cell_live_and_restored(
    server: ScriptedServer, tmp_path: Path
) -> None:
    slider = (
        "import ipywidgets\nslider = ipywidgets.IntSlider(0)\n"
        "slider.observe(lambda change: get_ipython().run_line_magic('cnai', ' XYZ'[change.new]), 'value')"
    )

    def ask(kernel: Kernel, cell: str, document: str = "aub") -> Ran:
        ran = kernel.run(f"%%cnai\n{cell.upper()}", cell, document=document)
        assert not ran.error
        return ran

    def run_slider(kernel: Kernel) -> tuple[Ran, Callable[[int], str]]:
        shown = kernel.run(slider, "u", document="aub")
        comm = kernel.value("slider.comm.comm_id")

        def move(value: int) -> str:
            # The answers themselves go where the callback shows them, which no file holds.
            kernel.change_widget(comm, value=value)
            return questions(server)

        return shown, move

    def delete_and_undo(kernel: Kernel) -> list[str]:
        return [questions(server) for document in ("aub", "ab", "aub") if ask(kernel, "b", document)]

    with running_kernel(tmp_path, **environment(server)) as kernel:
        # No magic ran before it.
        shown, move = run_slider(kernel)
        assert move(1) == "X"
        above = ask(kernel, "a")
        assert [questions(server), move(2), move(3)] == ["A", "AXY", "AXYZ"]
        below = ask(kernel, "b")
        saved_as(tmp_path / "saved.ipynb", ("a", "", above), ("u", slider, shown), ("b", "", below))
        assert len(shown.of("display_data")) == 1, "one line below its cell says so, which changes"
        assert delete_and_undo(kernel) == ["AXYZB", "AB", "AXYZB"]
    with running_kernel(tmp_path, **environment(server)) as kernel:
        kernel.run("%cnai_chat restore --from saved.ipynb", "r", document="aubr")
        assert delete_and_undo(kernel) == ["AXYZB", "AB", "AXYZB"]
        # It asks nothing when its cell runs again, until it is moved.
        _, move = run_slider(kernel)
        ask(kernel, "b")
        assert [questions(server), move(1)] == ["AB", "AX"]
        ask(kernel, "b")
        assert questions(server) == "AXB"


def test_a_widget_that_another_makes_belongs_to_the_last_run_of_its_cell(
    server: ScriptedServer, tmp_path: Path
) -> None:
    boxes = (
        "import ipywidgets\ndef ask(change):\n    get_ipython().run_line_magic('cnai', change.new)\n"
        "def make(_):\n    global inner\n    inner = ipywidgets.Text()\n    inner.observe(ask, 'value')\n"
        "if 'outer' not in globals():\n    outer = ipywidgets.Text()\n    outer.observe(make, 'value')"
    )
    with running_kernel(tmp_path, **environment(server)) as kernel:

        def run(source: str, cell: str) -> Ran:
            ran = kernel.run(source, cell, document="aub")
            assert not ran.error
            return ran

        def write(box: str, text: str) -> str:
            kernel.change_widget(kernel.value(f"{box}.comm.comm_id"), value=text)
            return questions(server)

        above = run("%%cnai\nA", "a")
        run(boxes, "u")
        write("outer", "make")
        run("%%cnai\nB", "b")
        assert [write("inner", "X"), write("inner", "Y")] == ["AX", "AXY"]
        again = run(f"%cnai U\n{boxes}", "u")
        assert write("inner", "Z") == "AUZ"
        below = run("%%cnai\nB", "b")
        assert questions(server) == "AUZB"
        saved_as(tmp_path / "saved.ipynb", ("a", "", above), ("u", "", again), ("b", "", below))
    restored = restore(read_notebook(tmp_path / "saved.ipynb").cells).conversations
    assert "".join(each.reply.prompt for each in restored["main"].turns) == "AUZB"


def test_a_kernel_whose_folder_was_deleted_asks_and_says_what_cannot_be_written(
    server: ScriptedServer, tmp_path: Path
) -> None:
    folder = tmp_path / "lesson"
    folder.mkdir()
    with running_kernel(tmp_path, JPY_SESSION_NAME="lesson.ipynb", **environment(server)) as kernel:
        kernel.run(f"import os; os.chdir({str(folder)!r})")
        assert not kernel.run("%%cnai\na", "a").error
        folder.rmdir()
        assert not kernel.run("%%cnai\na", "a").error
        assert questions(server) == "a"
        failed = {
            command: " ".join(kernel.run(command).error)
            for command in ("%cnai_chat restore", "%cnai_prompt save x", "%cnai_chat export a.md")
        }
        assert all(said.startswith("InputError: ") for said in failed.values()), failed
        kernel.run("rows = [1, 2]")
        assert not kernel.run("%%cnai --over rows\nIs {{ row }} odd?").error
