"""Secrets in tables that are printed: the output of a cell, a text made of a table, CSV."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from cnai_magic.chat.formatters.masking import MASK, mask_secrets

SECRETS = ["hunter", "pa ss w", "s3cr3tlongpassword", "abc,def"]
TABLE = pd.DataFrame({"user": ["ann", "bob smith", "cy", "di"], "password": SECRETS, "age": [1, 2, 3, 44]})

WRITTEN: dict[str, Callable[[], str]] = {
    "pandas": lambda: repr(TABLE),
    "another secret column": lambda: repr(TABLE.assign(api_key=[*"xyz", None])),
    "without its index": lambda: TABLE.to_string(index=False),
    "with a named index": lambda: repr(TABLE.set_index("user")),
    "wide": lambda: repr(pd.concat([TABLE] * 6, axis=1)),
    "one column": lambda: repr(TABLE[["password"]]),
    "a Series": lambda: repr(TABLE["password"]),
    "a row": lambda: "\n".join(repr(TABLE.iloc[each]) for each in (0, 2, 3)) + "pa ss w",
    "on its side": lambda: repr(TABLE.T),
    "CSV": lambda: TABLE.to_csv(),
    "TSV": lambda: TABLE.to_csv(sep="\t", index=False),
    "semicolons": lambda: TABLE.to_csv(sep=";", index=False),
    "between other lines": lambda: f"Users, and more:\n\n{TABLE}\n\n4 rows, all of them.",
    "psql": lambda: " user | password \n------+----------\n" + "".join(f" a | {each}\n" for each in SECRETS),
    "Markdown": lambda: "| user | password |\n|:--|--:|\n" + "".join(f"| a | {each} |\n" for each in SECRETS),
    "psql, record by record": lambda: "\n".join(
        f"-[ RECORD {place} ]---\nuser     | ann\npassword | {each}\n" for place, each in enumerate(SECRETS)
    ),
    "tabulate": lambda: (
        "user    password\n------  --------\n" + "".join(f"a       {each}\n" for each in SECRETS)
    ),
    "rich": lambda: (
        "┏━━━━━━┳━━━━━━━━━━┓\n┃ user ┃ password ┃\n┡━━━━━━╇━━━━━━━━━━┩\n"
        + "".join(f"│ a    │ {each} │\n" for each in SECRETS)
    ),
    "polars": lambda: (
        "┌──────┬──────────┐\n│ user ┆ password │\n│ ---  ┆ ---      │\n╞══════╪══════════╡\n"
        + "".join(f"│ a    ┆ {each} │\n" for each in SECRETS)
    ),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_what_a_printed_table_has_under_a_secrets_name_is_masked(form: str) -> None:
    text = WRITTEN[form]()
    masked, count = mask_secrets(text)
    assert count > 0
    found = [each for each in SECRETS if each in masked]
    assert found == (["pa ss w"] if form == "a row" else [])
    # Nothing else is.
    assert all(other in masked for other in ("ann", "bob smith", "user", "44", "all of") if other in text)


@pytest.mark.parametrize(
    "text",
    [
        repr(TABLE.dtypes),
        repr(TABLE.isna().sum()),
        repr(TABLE.describe()),
        "Enter the password, then press OK.\nNext, do it again.",
        "def f(user, password):\n    return user, password\nx, y",
        "from a import user, password\nfoo, bar",
        "user, password = get()\nprint(user, password)",
        "user      = 'ann'\npassword  = getpass()",
        "  --password TEXT    The password\n                     of the user",
        "password     The password of the user",
        "    It has the password\n    of the user and\n    what he says",
        "user password\nis a thing",
        f"  user  password\n0  ann  {MASK}",
        "| name | type |\n|---|---|\n| password | string |\n| timeout | whole |",
        " name     | type\n----------+------\n password | text\n timeout  | text",
        "            precision    recall  support\nsecret           0.90      0.91       10",
        "user, password, host\nselect user, password, host\na, b, c",
        "run --no-password 1234",
    ],
)
def test_what_is_no_secret_of_a_table_stays(text: str) -> None:
    assert mask_secrets(text)[0] == text


@pytest.mark.parametrize(
    "text",
    [
        " user password\n" + " ann  hunter22\n" * 10_000,
        "a,password\n" + "x,y\n" * 10_000,
        "│a┆password│\n" + "│a┆b│\n" * 10_000,
        "password  " + "x " * 20_000,
        " user  password\n" + ("x" + " " * 3_000 + "y\n") * 100,
        ("password" + " " * 3_900 + "\n") * 100,
        ("a  x\n" * 10 + "Name: password, dtype: object\n") * 2_000,
        "a,password\n" + '"' * 4_000 + "\n" + '","' * 1_000,
    ],
)
def test_long_texts_are_read_in_linear_time(text: str) -> None:
    mask_secrets(text)
