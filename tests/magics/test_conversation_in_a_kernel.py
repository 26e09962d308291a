"""What a kernel shows and keeps of forks, failures and attempts put into force, and restores again."""

from __future__ import annotations

from pathlib import Path

from tests.kernels import Kernel, Ran, running_kernel, saved_as
from tests.servers import KEY, ScriptedServer, failure, sse

NEW = "new kernel"


def user_messages(server: ScriptedServer) -> list[str]:
    return [each["content"] for each in server.requests[-1].json()["messages"] if each["role"] == "user"]


def run(kernel: Kernel, ran: dict[str, tuple[str, Ran]], cell: str, source: str) -> Ran:
    ran[cell] = source, kernel.run(source, cell)
    return ran[cell][1]


def test_forks_failures_and_attempts_are_shown_kept_and_restored(tmp_path: Path) -> None:
    path = tmp_path / "lesson.ipynb"
    ran: dict[str, tuple[str, Ran]] = {}
    with ScriptedServer() as server:
        environment = {
            "CNAI_BASE_URL": server.base_url,
            "CNAI_API_KEY": KEY,
            "CNAI_MODEL": "m",
            "CNAI_RETRIES": "0",
            "CNAI_LEDGER": "off",
        }
        with running_kernel(tmp_path, **environment) as kernel:
            for number, cell in enumerate("abc"):
                server.always(sse(f"answer {number}"))
                run(kernel, ran, cell, f"%%cnai\nquestion {cell}")
            run(kernel, ran, "fork", "%cnai_chat fork plan --at 2")
            run(kernel, ran, "c", "%%cnai\nquestion c, changed")
            assert user_messages(server) == ["question a", "question b", "question c, changed"]
            run(kernel, ran, "back", "%cnai_chat use main")
            server.always(failure(402, "insufficient_quota"))
            failed = run(kernel, ran, "b", "%%cnai\nquestion b, refused")
            assert failed.error
            assert "attempt 1 stays in force" in failed.shown
            server.always(sse("answer d"))
            after = run(kernel, ran, "d", "%%cnai\nquestion d")
            assert user_messages(server) == ["question a", "question b", "question c", "question d"]
            assert "turn 2 sent with the former answer" in after.final["footer"]
            server.reply(sse())
            assert (
                "attempt 1 stays in force"
                in run(kernel, ran, "a", "%%cnai\nwithout an answer").final["footer"]
            )
            after = run(kernel, ran, "d", "%%cnai\nquestion d")
            assert "turns 1, 2 sent with the former answer" in after.final["footer"]
            run(kernel, ran, "d", "%%cnai --append\nquestion d, again")
            again = run(kernel, ran, "a", "%%cnai\nquestion a, again")
            shown = again.of("display_data")[-1]["transient"]["display_id"]
            kept = run(kernel, ran, "keep", "%cnai_chat versions 1 --keep 1")
            assert "Its cell shows it" in kept.shown
            update, _ = kept.of("update_display_data")
            assert update["transient"]["display_id"] == shown
            assert update["data"]["text/plain"].startswith("answer 0")
            assert update["metadata"]["cnai"]["prompt"] == "question a"
            ran["a"][1].messages += [
                each for each in kept.messages if each["msg_type"] == "update_display_data"
            ]
        saved_as(path, *((cell, source, each) for cell, (source, each) in ran.items()))
        with running_kernel(tmp_path, JPY_SESSION_NAME=str(path), **environment) as kernel:
            assert not kernel.run("%cnai_chat restore").error
            kernel.run(f"%%cnai\n{NEW}", "new")
            main = ["question a", "question b", "question c", "question d", "question d, again"]
            assert user_messages(server) == [*main, NEW]
            kernel.run("%cnai_chat use plan", "plan")
            kernel.run(f"%%cnai\n{NEW}", "newer")
            assert user_messages(server) == ["question a", "question b", "question c, changed", NEW]
