"""Braces in prompts: what is replaced, what stays text, and what is an error."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

from cnai_magic.chat.prompts.prompt import render_prompt
from cnai_magic.errors import InputError
from cnai_magic.magics.cell_words import CELL
from tests.cases import check_each
from tests.properties import by_chance, random_examples


@dataclass
class Point:
    x: int
    y: int


class Watched:
    """Counts how often a property is read."""

    reads = 0

    @property
    def size(self) -> int:
        type(self).reads += 1
        return 7

    @property
    def broken(self) -> int:
        raise RuntimeError("no such device")


class Hostile:
    """An object whose every attribute raises."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


NOTEBOOK: dict[str, Any] = {
    "name": "Ada",
    "n": 5,
    "price": 2.5,
    "rows": [{"city": "Rome", "age": 3}, {"city": "Oslo", "age": 9}],
    "totals": {"a": 1, "items": 2, "end": [4, 5]},
    "point": Point(1, 2),
    "table": SimpleNamespace(shape=(2, 3), title="cars"),
    "template": "{{ name }} and {{ n }}",
    "watched": Watched(),
    "hostile": Hostile(),
    "self": "me",
    "名": "Li",
    "color": "blue",
}


def rendered(body: str, tokens: int = 0) -> str:
    return render_prompt(body, NOTEBOOK, tokens).text


def refused(body: str) -> InputError:
    with pytest.raises(InputError) as caught:
        render_prompt(body, NOTEBOOK)
    return caught.value


# -- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Who is {{ name }}?", "Who is Ada?"),
        ("{{name}}{{ n }}, {{n+1}}", "Ada5, 6"),
        ("{{ 名 }} is {{ self }}", "Li is me"),
        ("{{ n * 2 + 1 }} {{ n / 2 }} {{ n ** 2 }} {{ -n }} {{ n > 3 }}", "11 2.5 25 -5 True"),
        ("{{ table.shape[0] }} of {{ table.title }}", "2 of cars"),
        ("{{ rows[0].city }} {{ rows[-1]['age'] }}", "Rome 9"),
        ("{{ rows | map(attribute='city') | join(', ') }}", "Rome, Oslo"),
        ("{{ rows | length }} {{ name | upper }} {{ price | round }}", "2 ADA 2.0"),
        ("{{ totals.items }} {{ totals['end'][1:] }}", "2 [5]"),
        ("{{ 'big' if n > 3 else 'small' }} {{ name ~ '-' ~ n }}", "big Ada-5"),
        ("{{ [n, name] }} {{ {'n': n} }} {{ (n, n) }}", "[5, 'Ada'] {'n': 5} (5, 5)"),
        ("{{ {'a': {'b': n}}}} {{ {'a': {'b': name}}['a']['b'] }}", "{'a': {'b': 5}} Ada"),
        ("{{ rows | map(attribute='age') | join('}}') }}", "3}}9"),
        ("{{ point }} {{ point.x }}", "Point(x=1, y=2) 1"),
        ("{{\n  name\n  | lower\n}}", "ada"),
        ("file_{{n}}.csv <{{ name }}> [{{ n }}] ({{ n }}) **{{ n }}**", "file_5.csv <Ada> [5] (5) **5**"),
        ("$ {{ price }} and $\\frac{ {{ n }} }{2}$", "$ 2.5 and $\\frac{ 5 }{2}$"),
        (r"C:\{{name}} is \\{{name}}", r"C:{{name}} is \\Ada"),
        ("{name} $name {n!r} %(n)s {0}", "{name} $name {n!r} %(n)s {0}"),
    ],
)
def test_expressions_are_replaced_by_their_values(body: str, expected: str) -> None:
    assert rendered(body) == expected


def test_a_value_is_never_expanded_again() -> None:
    assert rendered("{{ template }} | {{ name }}") == "{{ name }} and {{ n }} | Ada"


def test_a_property_is_read_once_for_each_time_it_is_named() -> None:
    Watched.reads = 0
    assert rendered("{{ watched.size }} {{ watched.size }}") == "7 7"
    assert Watched.reads == 2


def test_a_property_that_another_expression_does_not_name_is_not_read() -> None:
    Watched.reads = 0
    rendered("{{ watched }} {{ hostile }}")
    assert Watched.reads == 0


# -- what stays text ----------------------------------------------------------------------------

# Prompts whose braces other tools replace, drop or choke on; most of them name variables that exist here.
FOREIGN = [
    # jupyter-ai, LangChain, IPython: single braces
    "{v: k for k, v in totals.items()}",
    "print({'foo': 'bar'}, f'{name}')",
    "for (const { name, widget } of this._toolbar) { if (n) { go(name); } }",
    '{"name": "Ada", "n": {"a": [1, {}]}}',
    # LaTeX, BibTeX
    r"$\frac{{a}}{{b}} = {{\frac{a}{b}}}$",
    r"\frac{{n}}{{n+1}} \textbf{{name}} \sqrt[3]{{n}}",
    r"x^{{2}} + 10^{{-3}} and y_{{1,2}}",
    r"$\{{1, 2}, {3}\}$ and \{{{a}, {b}\}}",
    r"\newcommand{\R}{{\mathbb{R}}} \ce{{H2O}}",
    "@book{x, title = {{The Great Gatsby}}, year = {{1925}}}",
    "the set {{1, 2}, {3}} and {{n, name}}",
    # JSX, Vue, Angular, Svelte
    "<p style={{color: 'red'}}>{name}</p>",
    "<View style={{ flex: 1, ...styles }} onPress={() => {{ go(); }}} />",
    "<span>{{ ok ? 'YES' : 'NO' }}</span>",
    "<p>{{ message.split('').reverse().join('') }}</p>",
    '<li v-for="item in items">{{ item }} {{ item.text }}</li>',
    '<li *ngFor="let hero of heroes">{{ hero.name | uppercase }}</li>',
    "{{ today | date:'short' }} {{ a?.b }} {{ a ?? b }} {{ a && !b }}",
    # GitHub Actions
    "run: echo ${{ secrets.TOKEN }} ${{ github.ref }} ${{ n }}",
    "if: ${{ github.event_name == 'push' && contains(github.ref, 'main') }}",
    # Go, Helm, Hugo
    "{{ range .Items }}{{ .Name }}{{ end }}",
    '{{- if .Values.enabled -}} image: "{{ .Values.image }}:{{ .Chart.AppVersion }}" {{- end }}',
    '{{ template "header" . }} {{ include "x" . | nindent 4 }} {{ $x := .Name }}',
    "{{ with $.Site }}{{ . }}{{ else }}none{{ end }}",
    "docker ps --format '{{.ID}}: {{.Names}}' | {{json .}}",
    # Jinja, Liquid, Django, dbt, Ansible, Airflow
    "{% for row in rows %}{{ row.city }}{% endfor %}",
    "{% raw %}{{ anything }}{% endraw %} {# a comment #} {{ loop.index }}",
    "select * from {{ ref('orders') }} where x = {{ var('y', 3) }}",
    "{{ config(materialized='table') }}",
    "{% assign title = page.title %}{{ title | money_with_currency }}",
    "{% load static %}{{ user.name|default:'nobody' }}",
    "{{ macros.ds_add(ds, 5) }}",
    # Handlebars, Mustache
    "{{#if author}}<h1>{{firstName}}</h1>{{/if}} {{> partial}} {{!-- note --}}",
    "{{{ name }}} {{& raw }} {{^empty}}",
    "{{#each people}}{{this}} {{@index}}{{/each}}",
    # Quarto, Rust, C, Tera, regular expressions, Python
    "{{< video https://example.org >}} {{< include n.qmd >}}",
    'println!("{{}} {}", n); format!("{{{}}}", name); println!("{{name}}");',
    'print(f"{{name}}: {name}", rf\'{{n}} and {{ n }}\') or $"{{name}} {n}"',
    "int a[2][2] = {{1, 2}, {3, 4}}; std::map<int, int> m{{1, 2}};",
    "x{{2,3}} '{{}}'.format(n) {{ }}",
    "{{ 'a constant' }} {{ 3 }} {{ 1 + 2 }} {{ true }} {{ none }}",
    "{{ name + }} {{ not an expression }} {{ import os }} {{ n = 3 }}",
    "{{ unclosed and {{ }",
    "}} backwards {{",
    "{{ don't }} it's {{ isn't }}",
    "{{" * 50 + "}}" * 49,
]


@check_each("body", FOREIGN)
def test_braces_of_another_language_stay_text(body: str) -> None:
    assert rendered(body) == body


def test_there_are_enough_prompts_that_broke_other_tools() -> None:
    assert len(FOREIGN) >= 40


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"\{{ name }} {{ name }}", "{{ name }} Ada"),
        (r"\{{ unknown }} and \{{ unknown.call() }}", "{{ unknown }} and {{ unknown.call() }}"),
        (r"\{{ rows.append(3) }}", "{{ rows.append(3) }}"),
        (r"\{{a}, {b}\} stays, a backslash is LaTeX's", r"\{{a}, {b}\} stays, a backslash is LaTeX's"),
        (r"\\\{{ name }}", r"\\{{ name }}"),
    ],
)
def test_a_backslash_keeps_an_expression_as_text(body: str, expected: str) -> None:
    assert rendered(body) == expected


@pytest.mark.parametrize(
    ("body", "remark"),
    [
        ("{{ name + }}", "{{ name + }} is sent as text: no expression"),
        ("{{{ name }}}", "{{{ name }}} is sent as text: more than two braces"),
        ("{% if x %} {{ tabel }}", "there is no tabel in the notebook, did you mean table?"),
        ("{{ color: 'red' }} {{ x }} {% y %}", ""),
        (r"\{{ name }} {{ 1 }} {{.Name}}", ""),
    ],
)
def test_braces_that_stay_text_though_the_notebook_has_the_name_are_remarked(body: str, remark: str) -> None:
    remarks = list(render_prompt(body, NOTEBOOK).remarks)
    assert len(remarks) == bool(remark)
    assert all(remark in each for each in remarks)


# -- errors -------------------------------------------------------------------------------------


@check_each(
    ("body", "what", "why"),
    [
        ("{{ nmae }}", "there is no nmae in the notebook", "did you mean name?"),
        ("{{ nothing_like_it }}", "there is no nothing_like_it", ""),
        ("{{ Err }}", "there is no Err", "the last cell of your own that failed, and none has"),
        ("{{ name }} {{ xs | join }}", "there is no xs", ""),
        ("{{ zip(a, b) }} {{ tabel.shape }}", "there is no tabel", "did you mean table?"),
        (r"{{\frac{a}{b}}} and {{ nothing_like_it }}", "there is no nothing_like_it", ""),
        ("{{ table.shap }}", "no attribute 'shap'", "did you mean shape?"),
        ("{{ totals['itmes'] }}", "no item 'itmes'", "did you mean items?"),
        ("{{ rows[9] }}", "no item 9", ""),
        ("{{ rows | haed }}", "there is no filter haed", "did you mean head?"),
        ("{{ rows | frobnicate }}", "there is no filter", "there are schema, head"),
        ("{{ rows.count(3) }}", "nothing is called", "a call may do anything"),
        ("{{ len(rows) }}", "nothing is called", "{{ … | length }}"),
        ("{{ table.head(3) }}", "nothing is called", "{{ … | head(5) }}"),
        ("{{ [each.city for each in rows] }}", "this Python is not evaluated", ""),
        ("{{ (n > 3) & (n < 9) }}", "this Python is not evaluated", ""),
        ("{{ n / 0 }}", "ZeroDivisionError", ""),
        ("{{ n + name }}", "TypeError", ""),
        ("{{ watched.broken }}", "RuntimeError: no such device", ""),
        ("{{ hostile.anything }}", "ZeroDivisionError: anything", ""),
        ("{{ table.__class__ }}", "__class__ is private", ""),
        ("{{ n is frightful }}", "No test named 'frightful'", ""),
        ("{{ rows | head(0) }}", "head takes a whole number of at least 1, not 0", ""),
        ("{{ rows | head('x') }}", "head takes a whole number", ""),
    ],
)
def test_an_expression_without_a_value_is_an_error_that_says_why(body: str, what: str, why: str) -> None:
    error = refused(body)
    assert what in error.what
    assert why in error.why
    assert r"\{{ … }} or %%cnai --raw" in error.lines(CELL)[-1]


@pytest.mark.parametrize(
    "body",
    [
        "{{ name.__class__.__base__.__subclasses__() }}",
        "{{ name.__class__.__mro__ }}",
        "{{ ([n])['__class__'] }}",
        "{{ table['__class__'] }}",
        "{{ rows | map(attribute='__class__') | list }}",
        "{{ '%s' | format(name) }}",
        "{{ name | attr('__class__') }}",
    ],
)
def test_the_sandbox_holds(body: str) -> None:
    assert refused(body).what


# -- any text -----------------------------------------------------------------------------------

_PARTS = [
    "{{",
    "}}",
    "{",
    "}",
    " name ",
    "n",
    "|",
    "join",
    "(",
    ")",
    "'",
    '"',
    "\\",
    "$",
    ".",
    "#",
    "%",
    "-",
    "\n",
]


@random_examples()
@given(by_chance(lambda chance: chance.joined(_PARTS, 12)))
def test_any_body_is_rendered_or_refused(body: str) -> None:
    with suppress(InputError):
        prompt = render_prompt(body, NOTEBOOK)
        assert "".join(piece.source or piece.text for piece in prompt.pieces) == body


@random_examples()
@given(by_chance(lambda chance: chance.text(30)))
def test_a_body_without_double_braces_is_sent_as_it_is(body: str) -> None:
    body = body.replace("{{", "{")
    assert rendered(body) == body


def test_jinja2_is_imported_for_braces_only() -> None:
    code = (
        "import sys, cnai_magic.magics.ask\n"
        "from cnai_magic.chat.prompts.prompt import render_prompt\n"
        "for body in '{x} and }} {{', '{{ x }}':\n"
        "    render_prompt(body, {'x': 1})\n"
        "    print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
