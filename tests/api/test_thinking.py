"""Reasoning in the content of an answer: the tags of many models, and answers that only speak of them."""

from __future__ import annotations

from cnai_magic.api.thinking import ThinkingTags
from tests.cases import check_each

# (content, answer, reasoning): what real models and templates send.
THOUGHT: dict[str, tuple[str, str, str]] = {
    **{
        name: (f"<{name}>a<b</{name}>\n\nfour", "four", "a<b")
        for name in ("think", "thinking", "thought", "reasoning", "seed:think", "longcat_think", "THINK")
    },
    "Kimi-VL": ("◁think▷so◁/think▷four", "four", "so"),
    "Magistral": ("[THINK]so[/THINK]four", "four", "so"),
    "Command A": ("<|START_THINKING|>so<|END_THINKING|>four", "four", "so"),
    "OpenThinker": ("<|begin_of_thought|>so<|end_of_thought|>\n\n<|begin_of_solution|>four", "four", "so"),
    "gpt-oss": (
        "<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>final<|message|>four<|return|>",
        "four",
        "so",
    ),
    "gpt-oss, from the first sign on": (
        "<|start|>assistant<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>final"
        "<|constrain|>json<|message|>four<|end|>",
        "four",
        "so",
    ),
    "gpt-oss, no thought": ("<|channel|>final<|message|>four", "four", ""),
    "gpt-oss, a second start left out, twice thought": (
        "<|channel|>analysis<|message|>so<|end|><|channel|>analysis<|message|>yes<|end|>"
        "<|start|>assistant<|channel|>final <|message|>four < 5 <|",
        "four < 5 <|",
        "so\n\nyes",
    ),
    "gpt-oss, words to the person first": (
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=browser.f"
        " <|constrain|>json<|message|>{}<|call|><|start|>assistant<|channel|>final<|message|>four",
        "I look.\n\nfour",
        "{}",
    ),
    "gpt-oss, a call": (
        "<|channel|>analysis<|message|>so<|end|><|start|>assistant<|channel|>commentary to=functions.f"
        ' <|constrain|>json<|message|>{"a": 1}<|call|>',
        '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>',
        "so",
    ),
    "gpt-oss, text behind the end": (
        "<|channel|>analysis<|message|>so<|end|>four and more",
        "four and more",
        "so",
    ),
    "gpt-oss, the first sign eaten": (
        "so<|end|><|start|>assistant<|channel|>final<|message|>four<|return|>",
        "four",
        "so",
    ),
    "gpt-oss, all signs eaten": ("analysisWe count.assistantfinalfour", "four", "analysisWe count."),
    "Command A, with ends": (
        "<|START_THINKING|>so<|END_THINKING|><|START_RESPONSE|>four<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",
        "four",
        "so",
    ),
    "Solar Open": ("<|think|>so<|end|><|begin|>assistant<|content|>four<|end|>", "four", "so"),
    "Apertus": ("<|inner_prefix|>so<|inner_suffix|>four", "four", "so"),
    "Apriel": ("so it is\n[BEGIN FINAL RESPONSE]\nfour\n[END FINAL RESPONSE]", "four\n", "so it is"),
    "behind what is not seen": ("\ufeff\u200b<think>so</think>four", "four", "so"),
    "Gemma": ("<|channel>thought\nso<channel|>four", "four", "\nso"),
    "two thoughts": ("<think>so</think>\n\n<think> so</think>\nfour", "four", "so so"),
    "an empty thought, and one": ("<think>\n</think>\n<thinking>so</thinking>four", "four", "so"),
    "the first tag eaten, and another thought": ("so.\n</think>\n<think>so</think>four", "four", "so.\nso"),
    "a tag spoken of after the thought": ("<think>so</think>The <think> tag", "The <think> tag", "so"),
    "an empty thought": ("<think>\n\n</think>\n\nfour", "four", "\n\n"),
    "never closed": ("<think>never closed </thi", "", "never closed </thi"),
    "the first tag eaten": ("count the boats\n</think>\n\nfour", "four", "count the boats\n"),
    "the first tag eaten, no line end (DeepSeek V3.1)": ("It is 2 + 2.</think>four", "four", "It is 2 + 2."),
    "the first tag eaten, no stop before it": ("so it is four</think>\n\nfour", "four", "so it is four"),
    "the first tag eaten, a formula before it": ("$$2+2$$</think>four", "four", "$$2+2$$"),
    "the first tag eaten, JSON before it": ('{"a": 1}</think>four', "four", '{"a": 1}'),
    "the first tag eaten, Chinese": ("好的，答案是四。</think>\n四", "四", "好的，答案是四。"),
    "the first tag eaten, with code in the thought": (
        "```\nx\n```\nso\n</think>\nfour",
        "four",
        "```\nx\n```\nso\n",
    ),
    "the first tag eaten, Kimi-VL": ("so.\n◁/think▷\nfour", "four", "so.\n"),
    "the first tag eaten, nothing thought": ("\n</think>\n\nfour", "four", ""),
    "the last tag alone at the end": ("so\n</think>", "", "so\n"),
}


@check_each(("content", "answer", "thought"), THOUGHT.values(), ids=THOUGHT)
def test_a_thought_is_told_from_the_answer_wherever_it_is_cut(
    content: str, answer: str, thought: str
) -> None:
    cuts = [[content], list(content), *([content[:i], content[i:]] for i in range(len(content)))]
    for pieces in cuts:
        assert split(pieces)[0] == answer, pieces
        assert split(pieces)[1].strip("\n") == thought.strip("\n"), pieces


SPOKEN_OF = {
    "in code": "End it with `</think>`.\nThen answer.",
    "in a block": "Like this:\n\n```\nso\n</think>\nfour\n```\n\nThat is all.",
    "in a block of tildes": "So:\n~~~\n</think>\n~~~\nDone.",
    "in an indented block": "Like this:\n\n    </think>\n\nThat is all.",
    "in a sentence": "Close the thought with </think> and go on.",
    "at the end of a sentence": "The tag is </think>.",
    "in quotes": 'The tag "</think>" ends it.',
    "in brackets": "The tag (</think>) ends it.",
    "before a word": "The tag </think>ends it.",
    "in Chinese": "用 </think> 标签结束思考。",
    "in Chinese quotes": "结束标签是“</think>”。",
    "with its pair": "Write\n<think>\nso\n</think>\nfour",
    "in Chinese, within a sentence": "结束标签</think>表示思考结束，而</think>之后是答案。",
    "in bold": "**</think>** ends it.",
    "in HTML": "<code></think></code> ends it.",
    "in a table": "|tag|does|\n|---|---|\n|</think>|ends|",
    "in a block of code with fences": "So:\n\n````md\n```\n</think>\n```\n</think>\n````\n",
    "later in the answer": "say <think>x</think>",
    "a sign of gpt-oss first": "<|channel|> is a sign of gpt-oss, and so are <|start|> and <|end|>.",
    "the start of gpt-oss first": "<|start|>assistant begins the answers of gpt-oss, and <|end|> ends them.",
    "the signs of gpt-oss": "It ends with `<|end|><|start|>assistant` each time.",
    "an analysis": "analysisResult = run()  # no assistant, final",
    "the word alone": "analysis",
    "all signs eaten": "analysis of gpt-oss without its signs, as in analysisWe count.assistantfinalfour",
    "all signs eaten, at a start": "AnalysisWe count.assistantfinalfour is what stands there then.",
    "its end alone": "The text assistantfinal is no sign.",
    "HTML": "<p>four</p>\n</thinking-aloud>",
    "a comparison": "a < b and b </ c",
    "half a tag": "four </thi",
    "not a tag at all": "[this] and [THINK again]",
}


@check_each("text", SPOKEN_OF.values(), ids=SPOKEN_OF)
def test_an_answer_that_speaks_of_a_tag_stays_whole(text: str) -> None:
    for pieces in ([text], list(text), *([text[:i], text[i:]] for i in range(len(text)))):
        assert split(pieces) == (text, ""), pieces


def test_a_model_that_writes_white_space_alone_costs_linear_time() -> None:
    assert split(["\n"] * 300_000 + ["four"]) == ("\n" * 300_000 + "four", "")


def test_very_many_tags_cost_linear_time() -> None:
    text = "so `</think>` " * 20_000
    assert split([text[i : i + 50] for i in range(0, len(text), 50)]) == (text, "")


def split(pieces: list[str]) -> tuple[str, str]:
    """What the pieces amount to: answer and reasoning."""
    tags = ThinkingTags()
    answer, thought = "", ""
    for text, reasoning, all_thought in [
        *(tags.split(piece) for piece in pieces),
        tags.split("", ended=True),
    ]:
        if all_thought:
            thought, answer = answer + thought + reasoning, text
            continue
        answer += text
        thought += reasoning
    return answer, thought
