"""What an error advises fits the server that was asked, what was sent, and where it is read."""

from __future__ import annotations

import pytest

from cnai_magic.api.message_parts import ImagePart, TextPart
from cnai_magic.api.messages import ChatRequest, Message
from cnai_magic.api.vendor_errors import read_response_error
from cnai_magic.api.vendors import find_server
from cnai_magic.cli import TERMINAL
from cnai_magic.errors import (
    APIError,
    ConnectionFailed,
    ContextLengthError,
    HTMLError,
    InvalidRequestError,
    ModelNotFoundError,
)
from cnai_magic.magics.cell_words import CELL
from cnai_magic.next_steps import NextStep
from cnai_magic.python_words import PYTHON
from cnai_magic.redaction import ApiKey
from cnai_magic.session.advice import advise, explain_model
from cnai_magic.session.endpoint import Endpoint

QUESTION = ChatRequest("m", (Message("user", "a question of a few words"),))


def endpoint(base_url: str) -> Endpoint:
    return Endpoint.at(find_server(base_url))


def advised(
    status: int, message: str, base_url: str, request: ChatRequest = QUESTION, code: str = ""
) -> APIError:
    error = read_response_error(status, f'{{"error":{{"message":"{message}","code":"{code}"}}}}')
    assert isinstance(error, APIError)
    advise(error, endpoint(base_url), request)
    return error


@pytest.mark.parametrize(
    ("base_url", "key", "credit"),
    [
        (
            "deepseek",
            "DEEPSEEK_API_KEY; keys are made at https://platform.deepseek.com",
            "platform.deepseek.com/top_up",
        ),
        ("https://api.moonshot.cn/v1", "MOONSHOT_API_KEY", "platform.moonshot.cn"),
        (
            "https://cnaitoken.store/v1",
            "CNAI_API_KEY; keys are made at the Tokens page",
            "cnaitoken.store/panel/topup",
        ),
        ("https://gateway.example/v1", "CNAI_API_KEY", "the website of the server"),
        (
            "http://127.0.0.1:8787/v1",
            "CNAI_API_KEY beside CNAI_BASE_URL=http://127.0.0.1:8787/v1",
            "the website",
        ),
    ],
)
def test_key_and_credit_lead_to_the_pages_of_the_server_that_was_asked(
    base_url: str, key: str, credit: str
) -> None:
    refused = advised(401, "wrong key", base_url)
    broke = advised(402, "no credit", base_url)
    assert key in refused.next_step.at(TERMINAL)
    assert refused.what == "the server asks for an API key, and none is set for it"
    assert credit in broke.next_step.at(TERMINAL)
    if "cnaitoken" not in base_url:
        assert "cnaitoken" not in "".join(map(str, (refused.lines(), broke.lines())))


@pytest.mark.parametrize(
    ("base_url", "key", "expected"),
    [
        ("deepseek", "", "try later; a key is missing too: set the variable DEEPSEEK_API_KEY"),
        ("deepseek", "sk-1", "try later"),
        ("ollama", "", "try later"),
        ("https://gateway.example/v1", "", "try later"),
    ],
)
def test_a_missing_key_is_said_before_there_is_a_network(base_url: str, key: str, expected: str) -> None:
    error = ConnectionFailed("no network", next_step="try later")
    advise(error, Endpoint.at(find_server(base_url), ApiKey(key) or None), QUESTION)
    assert error.next_step.at(TERMINAL).startswith(expected)
    assert ("key" in error.next_step.at(TERMINAL)) is ("key" in expected)


@pytest.mark.parametrize("request_", [QUESTION, None])
def test_an_address_without_a_path_is_completed(request_: ChatRequest | None) -> None:
    error = read_response_error(404, '{"detail":"Not Found"}')
    advise(error, endpoint("localhost:9999"), request_)
    assert error.next_step.at(TERMINAL) == (
        "try the address with /v1: CNAI_BASE_URL=http://localhost:9999/v1"
    )
    page = HTMLError("a web page came")
    advise(page, endpoint("localhost:9999"), request_)
    assert page.next_step.at(CELL).startswith(
        'try the address with /v1: %config Cnai.base_url = "http://localhost:9999/v1"; where the page'
    )


def test_an_address_with_a_path_is_to_be_checked() -> None:
    assert "it usually ends in /v1" in advised(404, "no such page", "localhost:9999/v2").next_step.at(CELL)


@pytest.mark.parametrize(
    ("message", "sent", "option"),
    [
        ("invalid temperature: only 1 is allowed for this model", {"temperature": 0.5}, "temperature"),
        ("top_p is fixed", {"top_p": 0.5, "temperature": 1.0}, "top_p"),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'", {"max_tokens": 9}, "max_tokens"),
        ("参数stop不支持", {"stop": ["END"], "seed": 1}, "stop"),
        ("random_seed is not supported by doubao-seed-1-6", {"seed": 1}, "seed"),
        ("System role not supported", {}, "system"),
    ],
)
def test_a_parameter_that_the_model_refuses_is_to_be_left_out(
    message: str, sent: dict[str, object], option: str
) -> None:
    messages = (Message("system", "Be brief."), Message("user", "a"))
    request = ChatRequest("m", messages, sent)  # type: ignore[arg-type]
    step = advised(400, message, "https://gateway.example/v1", request).next_step
    dashed = option.replace("_", "-")
    assert step.at(CELL) == f"leave out --{dashed} (%config Cnai.{option} = None where it is set)"
    assert step.at(TERMINAL) == f"leave out --{dashed} (or CNAI_{option.upper()}, where that is set)"
    assert step.at(PYTHON) == f"leave out {option} (in ask or in Session)"


def test_a_parameter_that_was_not_sent_is_not_to_be_left_out() -> None:
    assert "leave out" not in advised(400, "temperature is odd", "https://gateway.example/v1").next_step.at(
        CELL
    )


@pytest.mark.parametrize("message", ["doubao-seed-1-6: bad request", "the request was stopped"])
def test_a_parameter_is_not_found_within_another_word(message: str) -> None:
    request = ChatRequest("m", (Message("user", "a"),), {"stop": "END", "seed": 1})
    assert "leave out" not in advised(400, message, "https://gateway.example/v1", request).next_step.at(CELL)


LONG = "This model's maximum context length is {} tokens. However, you requested 40111 tokens"


def conversation(turns: int, size: int) -> ChatRequest:
    earlier = [Message(role, "word " * size) for _ in range(turns) for role in ("user", "assistant")]
    return ChatRequest("m", (Message("system", "Be brief."), *earlier, Message("user", "and now?")))


@pytest.mark.parametrize("limit", [4096, 32768, 131072])
def test_too_long_a_conversation_is_told_how_much_of_it_fits(limit: int) -> None:
    request = conversation(100, 1000)
    error = advised(400, LONG.format(limit), "https://gateway.example/v1", request)
    assert isinstance(error, ContextLengthError)
    cell = error.next_step.at(CELL)
    assert "%%cnai --new" in cell
    fitting = int(cell.rpartition("%config Cnai.history_tokens = ")[2])
    assert 0 < fitting < limit
    assert fitting > limit // 3
    assert f"Session(history_tokens={fitting})" in error.next_step.at(PYTHON)


def test_where_the_server_tells_no_limit_half_of_the_history_is_a_start() -> None:
    request = conversation(10, 100)
    error = advised(413, "too long", "https://gateway.example/v1", request)
    fitting = int(error.next_step.at(CELL).rpartition(" = ")[2])
    history = sum(message.tokens for message in request.messages[1:-1])
    assert 0.4 * history < fitting <= history / 2


def test_too_long_a_question_by_itself_is_to_be_shortened() -> None:
    for request, step in (
        (QUESTION, "shorten the question"),
        (
            ChatRequest("m", (Message("system", "x"), Message("user", "a " * 9999))),
            "shorten the question or the system message",
        ),
    ):
        advice = advised(400, LONG.format(100), "https://gateway.example/v1", request).next_step
        assert advice == NextStep.of(
            f"{step}: no earlier turn was sent, so a smaller history_tokens does not help"
        )


def test_a_model_that_is_listed_is_never_corrected_to_itself() -> None:
    error = ModelNotFoundError("x", why="No available channel for model m (HTTP 503)", status=503)
    told = explain_model(error, endpoint("https://gateway.example/v1"), "m", ["m", "n"])
    assert told.why == "No available channel for model m (HTTP 503)"
    assert "ask again later" in told.next_step.at(CELL)
    assert "did you mean" not in "".join(told.lines())


def test_a_model_that_is_not_listed_gets_the_nearest_or_a_few() -> None:
    error = ModelNotFoundError("x", why="HTTP 404", status=404)
    names = ["deepseek-chat", "glm-4", "qwen-max", "qwen-plus", "kimi-k2", "ernie-4"]
    near = explain_model(error, endpoint("https://gateway.example/v1"), "deepseek-chta", names)
    assert near.why == "did you mean deepseek-chat?"
    far = explain_model(error, endpoint("https://gateway.example/v1"), "gpt-x", names)
    assert far.why == "there are deepseek-chat, glm-4, qwen-max, qwen-plus, kimi-k2 and others"
    assert "ollama pull gpt-x" in explain_model(error, endpoint("ollama"), "gpt-x", []).next_step.at(CELL)


# -- images ---------------------------------------------------------------------------------------

IMAGE = Message("user", (ImagePart("https://a.example/x.png"), TextPart("What is this?")))
# As servers refuse an image that a model cannot take: OpenAI, Ark, ollama, DeepSeek (three times),
# OpenRouter (404), llama.cpp, Moonshot, Mistral, Bedrock, vLLM (twice), SiliconFlow, ollama, Qwen, Groq,
# a relay, our own.
REFUSALS = [
    (400, "Invalid content type. image_url is only supported by certain models."),
    (400, "Model do not support image input. Request id: 0217"),
    (400, "this model does not support image input (ref: b8bd)"),
    (400, "Failed to deserialize the JSON body: messages[1]: unknown variant `image_url`, expected `text`"),
    (422, "messages[2]: invalid type: sequence, expected a string at line 1 column 2901"),
    (400, "data did not match any variant of untagged enum ChatCompletionRequestContent at line 1"),
    (404, "No endpoints found that support image input"),
    (500, "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"),
    (400, "Invalid request: Image input not supported for model kimi-k2-0905-preview"),
    (400, "Image input is not enabled for this model"),
    (400, "This model doesn't support the image field for user messages. Remove image and try again."),
    (400, "Qwen/Qwen3-8B is not a multimodal model"),
    (400, "At most 0 image(s) may be provided in one prompt."),
    (400, "The model is not a VLM (Vision Language Model). Please use text-only prompts."),
    (500, "this model is missing data required for image input"),
    (400, "<400> InternalError.Algo.InvalidParameter: Unexpected item type in content."),
    (400, "'messages[0].content' must be a string"),
    (400, "当前模型不支持图片输入"),
    (400, "demo-ngram takes no images"),
]


@pytest.mark.parametrize(("status", "said"), REFUSALS, ids=[said[:30] for _, said in REFUSALS])
def test_a_model_that_takes_no_images_is_told_by_any_servers_words(status: int, said: str) -> None:
    error = advised(status, said, "deepseek", ChatRequest("m", (IMAGE,)))
    assert isinstance(error, InvalidRequestError)
    assert error.what == "m takes no images"
    step = error.next_step.at(CELL)
    assert step == "leave the image out, or ask a model that takes them: list them with %cnai_models"
    # The words alone say nothing where no image was sent.
    assert advised(status, said, "deepseek").what != "m takes no images"


def test_an_image_of_an_earlier_turn_is_named_where_a_model_takes_none() -> None:
    messages = (IMAGE, Message("assistant", "A cat."), Message("user", "And now?"))
    error = advised(400, REFUSALS[0][1], "deepseek", ChatRequest("m", messages))
    assert error.next_step.at(CELL).startswith("an earlier turn has an image: begin a new conversation")


@pytest.mark.parametrize(
    "said",
    [
        "You have uploaded an unsupported image. Please make sure your image is one of: png, jpeg",
        "unsupported image url: https://a.example/x.png",
        "The image size is not supported, at least 10 pixels",
        "image format is not supported",
        "This model does not support image formats other than png",
    ],
)
def test_an_image_that_is_refused_for_itself_is_another_matter(said: str) -> None:
    error = advised(400, said, "deepseek", ChatRequest("m", (IMAGE,)))
    assert error.what != "m takes no images"
