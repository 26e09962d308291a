from __future__ import annotations

from cnai_magic.display.line import Line, Recorded
from cnai_magic.display.tables import Table
from tests.cases import check_each
from tests.xss_corpus import NAMED


def test_a_line_is_shown_without_quotes_and_control_sequences() -> None:
    assert repr(Line("a 'quoted'\x1b[2J\nline")) == "a 'quoted'\nline"


@check_each("payload", NAMED)
def test_nothing_in_a_line_is_html_or_maths(payload: str) -> None:
    shown = Line(payload)._repr_html_()
    inner = shown.removesuffix("</pre>").partition(">")[2]
    assert "<" not in inner.replace("<span>$</span>", "").replace("<span>\\</span>", "")


def test_what_is_recorded_is_shown_as_it_is_and_leaves_its_record_in_the_output() -> None:
    table = Table(["a"], [["b"]])
    data, about = Recorded(table, {"cnai": {"event": "use"}})._repr_mimebundle_()
    assert data == {"text/plain": repr(table), "text/html": table._repr_html_()}
    assert about == {"cnai": {"event": "use"}}
    assert repr(Recorded(table, {})) == repr(table)
