from __future__ import annotations

from cnai_magic.nearest import find_nearest, suggest_name
from tests.cases import check_each

OPTIONS = [
    *("--system", "--temperature", "--top-p", "--max-tokens", "--no-stream", "--chat", "--new", "--once"),
    *("--append", "--out", "--dry-run", "--model", "--help", "-s", "-t", "-p", "-n", "-c", "-o", "-m", "-h"),
]
COMMANDS = [
    "list",
    "show",
    "use",
    "new",
    "undo",
    "drop",
    "system",
    "fork",
    "versions",
    "restore",
    "export",
    "import",
]
MODELS = [
    "deepseek-chat",
    "deepseek-reasoner",
    "qwen3-max",
    "glm-4.5",
    "moonshot-v1-8k",
    "demo-guide",
    "demo-ngram",
]


@check_each(
    ("word", "known", "meant"),
    [
        ("--temprature", OPTIONS, "--temperature"),
        ("--temperatur", OPTIONS, "--temperature"),
        ("--temp", OPTIONS, "--temperature"),
        ("--sytem", OPTIONS, "--system"),
        ("--max_tokens", OPTIONS, "--max-tokens"),
        ("--maxtokens", OPTIONS, "--max-tokens"),
        ("--ones", OPTIONS, "--once"),
        ("--top_p", OPTIONS, "--top-p"),
        ("--dryrun", OPTIONS, "--dry-run"),
        ("-temperature", OPTIONS, "--temperature"),
        ("--MODEL", OPTIONS, "--model"),
        ("shwo", COMMANDS, "show"),
        ("vesions", COMMANDS, "versions"),
        ("restor", COMMANDS, "restore"),
        ("List", COMMANDS, "list"),
        ("deepsek-chat", MODELS, "deepseek-chat"),
        ("DeepSeek_Chat", MODELS, "deepseek-chat"),
        ("deepseek", MODELS, "deepseek-chat"),
        ("qwen-max", MODELS, "qwen3-max"),
        ("demo-giude", MODELS, "demo-guide"),
        ("dmo-ngram", MODELS, "demo-ngram"),
        ("glm4.5", MODELS, "glm-4.5"),
    ],
)
def test_a_name_that_is_near_is_meant(word: str, known: list[str], meant: str) -> None:
    assert find_nearest(word, known) == [meant]
    assert suggest_name(word, known) == f"did you mean {meant}?"


@check_each(
    ("word", "known"),
    [
        *(
            (word, OPTIONS)
            for word in ("-f", "--format", "--json", "-x", "--stream", "--verbose", "--force", "--key")
        ),
        *((word, OPTIONS) for word in ("--role", "--file", "--reset", "--raw", "--seed", "--", "-", "")),
        *((word, COMMANDS) for word in ("help", "load", "clear", "delete", "ls", "rm", "history", "x")),
        *((word, MODELS) for word in ("gpt-4", "gpt-4o", "claude-3", "llama3", "mistral", "what")),
    ],
)
def test_a_name_that_is_another_is_not_guessed(word: str, known: list[str]) -> None:
    assert find_nearest(word, known) == []
    assert suggest_name(word, known) == ""


def test_several_near_names_are_told_the_nearest_first() -> None:
    assert find_nearest("analysis.ipynb", ["analysis2.ipynb", "analysis1.ipynb", "other.ipynb"], 3) == [
        "analysis2.ipynb",
        "analysis1.ipynb",
    ]
    assert find_nearest("demo-echo", ["demo-eche", "demo-echo-2", "demo-echo"]) == ["demo-echo"]
