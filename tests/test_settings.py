from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from cnai_magic.api.parameters import BY_NAME
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from cnai_magic.session.kernel_session import KernelSession
from cnai_magic.settings import DEFAULT_BASE_URL, Cnai


def test_without_anything_set_the_defaults_hold() -> None:
    settings = Cnai()
    assert settings.base_url == DEFAULT_BASE_URL == "https://cnaitoken.store/v1"
    assert (settings.model, settings.on_rerun, settings.display) == ("", "replace", "auto")
    assert (settings.history_tokens, settings.retries, settings.timeout, settings.connect_timeout) == (
        0,
        2,
        120,
        10,
    )
    assert settings.temperature is settings.top_p is settings.max_tokens is settings.system is None


def test_every_setting_has_help_and_can_be_configured() -> None:
    own = Cnai.class_own_traits()
    assert own
    for name, trait in own.items():
        assert trait.help, name
        assert trait.metadata.get("config"), name


@pytest.mark.parametrize(
    ("variable", "name", "value"),
    [
        ("CNAI_BASE_URL", "base_url", "http://127.0.0.1:1/v1"),
        ("CNAI_MODEL", "model", "qwen-max"),
        ("CNAI_DISPLAY", "display", "text"),
    ],
)
def test_the_environment_wins_over_the_file_and_an_argument_over_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, name: str, value: str
) -> None:
    config = Config({"Cnai": {name: "markdown" if name == "display" else "from-the-file"}})
    assert getattr(Cnai(config=config), name) != Cnai.class_traits()[name].default_value
    monkeypatch.setenv(variable, value)
    assert getattr(Cnai(config=config), name) == value
    given = "auto" if name == "display" else "given"
    assert getattr(Cnai(config=config, **{name: given}), name) == given


def test_each_parameter_is_a_setting_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"temperature": "0.5", "top_p": "1", "max_tokens": "9", "stop": '["END", "\\n"]', "seed": "-7"}
    texts |= {"think": "off", "extra": '{"top_k": 20}'}
    rows = {name: row for name, row in BY_NAME.items() if row.setting}
    assert texts.keys() == rows.keys()
    assert {getattr(Cnai(), name) for name in texts} == {None}
    for name, text in texts.items():
        monkeypatch.setenv(f"CNAI_{name.upper()}", text)
    settings = Cnai()
    assert {name: getattr(settings, name) for name in texts} == {
        name: parameter.read(texts[name]) for name, parameter in rows.items()
    }
    settings.stop = "END"
    assert settings.stop == ("END",)
    settings.stop = None
    assert settings.stop is None


def test_a_variable_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNAI_BASE_URL", "")
    assert Cnai().base_url == DEFAULT_BASE_URL


def test_a_variable_that_is_wrong_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNAI_DISPLAY", "hologram")
    with pytest.raises(InputError) as caught:
        Cnai()
    assert caught.value.parameter == "display"
    assert "hologram" in caught.value.what
    assert "CNAI_DISPLAY" in caught.value.next_step.at(CELL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 3),
        ("temperature", "warm"),
        ("top_p", -0.1),
        ("max_tokens", 0),
        ("stop", ["a"] * 5),
        ("seed", 1.5),
        ("history_tokens", -1),
        ("retries", -1),
        ("timeout", 0),
        ("timeout", float("nan")),
        ("connect_timeout", float("inf")),
        ("on_rerun", "forget"),
        ("prices", 5),
        ("model", None),
    ],
)
def test_a_value_out_of_range_is_an_error_that_names_the_setting(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        Cnai(**{name: value})
    assert caught.value.parameter == name
    assert f"%config Cnai.{name}" in caught.value.next_step.at(CELL)


def test_zero_is_a_value_and_not_unset() -> None:
    assert Cnai(temperature=0).temperature == 0
    assert Cnai(top_p=0).top_p == 0


def test_there_is_no_setting_for_a_key() -> None:
    assert not [name for name in Cnai.class_trait_names(config=True) if "key" in name]


def test_a_setting_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        KernelSession(Cnai(temprature=1))
    assert "'temprature'" in caught.value.what
    assert caught.value.why == "did you mean temperature?"
    with pytest.raises(InputError) as caught:
        Cnai(zzz=1)
    assert "base_url" in caught.value.why


def test_a_value_in_a_configuration_file_that_is_wrong_is_an_error_of_a_few_lines() -> None:
    with pytest.raises(InputError, match="has a value that it cannot have") as caught:
        Cnai(config=Config({"Cnai": {"temperature": "hot"}}))
    assert "temperature" in caught.value.why
    assert "ipython_config.py" in caught.value.next_step.at(CELL)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("temperature = 3", "Cnai.temperature cannot be 3: it must be a number from 0 to 2, or None"),
        ("top_p = 'warm'", "Cnai.top_p cannot be 'warm': it must be a number from 0 to 1, or None"),
        ("max_tokens = 0", "Cnai.max_tokens cannot be 0: it must be a whole number of at least 1, or None"),
        ("stop = 1", "Cnai.stop cannot be 1: it must be a text, or a list of up to 4 texts, or None"),
        ("seed = 'x'", "Cnai.seed cannot be 'x': it must be a whole number, or None"),
        ("timeout = 0", "Cnai.timeout cannot be 0: it must be a number from 0.1 to 1,000,000"),
        ("retries = 1.5", "Cnai.retries cannot be 1.5: it must be a whole number of at least 0"),
        ("on_rerun = 'x'", "Cnai.on_rerun cannot be 'x': it must be 'replace' or 'append'"),
        ("replay = 'ja'", "Cnai.replay cannot be 'ja': it must be True or False"),
        ("model = 5", "Cnai.model cannot be 5: it must be text"),
        ("budget = -1", "Cnai.budget cannot be -1: it must be an amount in USD of at least 0, or None"),
        (
            "prices = 5",
            'Cnai.prices cannot be 5: it must be a dict of your prices, as {"MODEL": (input, output)}',
        ),
    ],
)
def test_config_says_in_one_line_what_a_setting_may_be(
    setting: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    settings = Cnai()
    shell.configurables.append(settings)
    before = settings.trait_values()
    shell.run_line_magic("config", f"Cnai.{setting}")
    assert caplog.messages == [words]
    assert settings.trait_values() == before


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("RETRIES", "many", "it must be a whole number of at least 0"),
        ("TEMPERATURE", "warm", "it must be a number from 0 to 2, or None"),
        ("SEED", "1.5", "it must be a whole number, or None"),
        ("STOP", '["a", 1]', "it must be a text, or a list of up to 4 texts, or None"),
    ],
)
def test_a_wrong_variable_says_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, why: str
) -> None:
    monkeypatch.setenv(f"CNAI_{name}", text)
    with pytest.raises(InputError) as caught:
        Cnai()
    assert caught.value.why == why
    assert f"CNAI_{name}" in caught.value.next_step.at(CELL)
