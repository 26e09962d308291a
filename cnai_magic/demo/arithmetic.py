"""Arithmetic in a sentence: finds the expression, also one that goes on from the last result.

`calculate("And times 3?", 4)` is 12. Expressions are read with `ast` and only numbers, operators and
`sqrt` are worked out, each result within 2,048 bits: no input takes long or runs code.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from .numerals import write_digits

__all__ = [
    "Calculation",
    "CalculationError",
    "Number",
    "calculate",
    "evaluate",
    "show_number",
    "translate_expression",
]

Number = int | float

_MOST_BITS = 2_048
_LONGEST_SENTENCE = 300
_NUMBER = r"-?(?:\d+(?:\.\d+)?|\.\d+)"
_IT = r"(?:it|that|this|the (?:(?:last|previous) )?(?:result|answer|number|value))"


class CalculationError(ValueError):
    """An expression that has no value here; the text says why."""


@dataclass(frozen=True, slots=True)
class Calculation:
    """An expression, its value, and the steps that lead to it, such as `4 + 5 = 9`."""

    expression: str
    value: Number
    steps: tuple[str, ...] = ()


_OPERATORS: dict[type[ast.operator], tuple[str, Callable[[Number, Number], Number]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}

_LISTS: dict[str, Callable[[list[Number]], Number]] = {
    "sum": sum,
    "total": sum,
    "product": math.prod,
    "mean": lambda numbers: sum(numbers) / len(numbers),
    "average": lambda numbers: sum(numbers) / len(numbers),
    "median": statistics.median,
    "largest": max,
    "maximum": max,
    "smallest": min,
    "minimum": min,
}


def _write_factorial(found: re.Match[str]) -> str:
    number = int(found[1] or found[2] or found[3])
    return " * ".join(map(str, range(number, 0, -1))) if 2 <= number <= 20 else found[0]


def _write_part(found: re.Match[str]) -> str:
    whole = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "tenth": 10}[found[2]]
    return f" {found[1]} / {whole} * {found[3]}"


def _sum_up(found: re.Match[str]) -> str:
    first, last = sorted((int(found[1]), int(found[2])))
    return f" ({first} + {last}) * {last - first + 1} / 2"


_CHINESE_LISTS = {
    "平均数": "mean",
    "平均值": "mean",
    "均值": "mean",
    "中位数": "median",
    "总和": "sum",
    "和": "sum",
    "最大值": "largest",
    "最小值": "smallest",
}

# In this order: "divided by" must be read before "by" can be anything else.
_SPELLINGS = (
    (rf"\bwhat (?:percent|percentage) of ({_NUMBER}) is ({_NUMBER})", r" \2 / \1 * 100"),
    (rf"({_NUMBER}) is what (?:percent|percentage|%) of ({_NUMBER})", r" \1 / \2 * 100"),
    (rf"({_NUMBER})\s*是\s*({_NUMBER})\s*的百分之(?:几|多少)", r" \1 / \2 * 100"),
    (rf"\b(?:increase|raise|add) ({_NUMBER}) by ({_NUMBER})\s*(?:%|percent)", r" \1 * (1 + \2 / 100)"),
    (rf"\b(?:decrease|reduce|lower) ({_NUMBER}) by ({_NUMBER})\s*(?:%|percent)", r" \1 * (1 - \2 / 100)"),
    (rf"({_NUMBER})\s*(?:%|percent) off (?:of )?\$?({_NUMBER})", r" \2 * (1 - \1 / 100)"),
    (rf"({_NUMBER})\s*的\s*({_NUMBER})\s*[%％]", r" \2 / 100 * \1"),
    (rf"({_NUMBER})\s*的百分之\s*({_NUMBER})", r" \2 / 100 * \1"),
    (rf"(\d+) (half|third|quarter|fifth|tenth)s? of ({_NUMBER})", _write_part),
    (rf"({_NUMBER})\s*的一半|\bhalf of ({_NUMBER})", r" \1\2 / 2"),
    (r"从?\s*(\d{1,9})\s*(?:一直)?加到\s*(\d{1,9})", _sum_up),
    (r"\bsum of (?:all )?(?:the )?(?:numbers |integers )?(?:from )?(\d{1,9}) to (\d{1,9})\b", _sum_up),
    (rf"({_NUMBER})\s*的\s*(\d+)\s*分之\s*(\d+)", r" \1 * \3 / \2"),
    (r"百分之\s*(\d+(?:\.\d+)?)", r" (\1 / 100) "),
    (r"(\d+)\s*分之\s*(\d+)", r" (\2 / \1) "),
    (rf"({_NUMBER})\s*(?:和|与|加上?)\s*({_NUMBER})\s*(?:的和|之和)", r" \1 + \2"),
    (rf"({_NUMBER})\s*的\s*({_NUMBER})\s*次[方幂]", r" \1 ** \2"),
    (rf"({_NUMBER})\s*的平方根|根号\s*({_NUMBER})", r" sqrt(\1\2)"),
    (r"的立方", " ** 3 "),
    (r"\b(\d{1,2})!(?!=)|\bfactorial of (\d{1,2})\b|\b(\d{1,2})\s*的阶乘", _write_factorial),
    (r"(?<=\d),(?=\d{3}(?!\d))", ""),
    (r"[×✕·⋅]|乘以|乘|\bmultiplied by\b|\btimes\b", " * "),
    (r"÷|除以|\bdivided by\b|\bover\b", " / "),
    (r"−|–|减去|减|\bminus\b", " - "),
    (r"加上|加|\bplus\b", " + "),
    (r"(?<=\d)\s*x\s*(?=\d)", " * "),
    (r"\b(?:raised )?to the power (?:of )?|\^", " ** "),
    (r"\bmod(?:ulo)?\b", " % "),
    (r"\bsquared\b|的平方", " ** 2 "),
    (r"\bcubed\b", " ** 3 "),
    (
        r"\b(?:the )?square root of (?:the number )?\(?(\d+(?:\.\d+)?)\)?|√\(?(\d+(?:\.\d+)?)\)?",
        r"sqrt(\1\2)",
    ),
    (rf"({_NUMBER})\s*(?:%|percent) of\b", r"\1 / 100 *"),
    (r"(?<=[\d)])\s*(?=\()", " * "),
)

_FOLLOW_UPS = (
    (rf"(\+|-|\*\*|\*|//|/|%)\s*({_NUMBER})", r"{} \1 \2"),
    (rf"add ({_NUMBER})(?: (?:more|to {_IT}))?", r"{} + \1"),
    (rf"(?:subtract|deduct|take away|take) ({_NUMBER})(?: (?:away )?from {_IT})?", r"{} - \1"),
    (rf"multiply(?: {_IT})? (?:by|with) ({_NUMBER})", r"{} * \1"),
    (rf"divide(?: {_IT})? by ({_NUMBER})", r"{} / \1"),
    (rf"(?:double|twice)(?: {_IT})?", "{} * 2"),
    (rf"triple(?: {_IT})?", "{} * 3"),
    (rf"(?:halve|half|half of)(?: {_IT})?", "{} / 2"),
    (rf"square(?: {_IT})?", "{} ** 2"),
    (rf"cube(?: {_IT})?", "{} ** 3"),
    (rf"(?:take )?(?:the )?square root(?: of {_IT})?", "sqrt({})"),
)

_COURTESY = re.compile(
    r"^(?:and|now|then|so|ok|okay|please|well|what about|how about|what is|what's|can you|could you"
    r"|那么|那|然后|结果|再|，|,|\s)+"
)
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?/\d\d?/\d{4}")
_RUN = re.compile(r"(?:sqrt\(|[\d.+\-*/%() ])+")
_OPERATION = re.compile(r"sqrt\(|[\d).]\s*(?:\*\*|//|[-+*/%])\s*[-+(\s]*(?:[\d.]|sqrt)")


def calculate(sentence: str, previous: Number | None = None) -> Calculation | None:
    """Work out the arithmetic in `sentence`, or return None where there is none.

    `previous` is the result that "and times 3?" goes on from. Raises CalculationError for what is
    arithmetic but has no value, such as a division by zero.
    """
    if len(sentence) > _LONGEST_SENTENCE or "\n\n" in sentence:
        return None
    text = write_digits(sentence.lower().replace("’", "'"))
    listed = re.search(rf"((?:{_NUMBER}\s*[、，,和]\s*)+{_NUMBER})\s*的({'|'.join(_CHINESE_LISTS)})", text)
    if listed is not None:
        text = f"{_CHINESE_LISTS[listed[2]]} of {', '.join(re.findall(_NUMBER, listed[1]))}"
    found = _calculate_list(text)
    if found is not None:
        return found
    for pattern, spelling in _SPELLINGS:
        text = re.sub(pattern, spelling, text)
    if previous is not None:
        follow_up = _follow_up(" ".join(text.split()), f"({_write_exactly(previous)})")
        if follow_up is not None:
            return evaluate(follow_up)
    return _calculate_sentence(text)


def translate_expression(expression: str) -> str:
    """Return an expression with the name of what is done to a list in Chinese."""
    name, of, numbers = expression.partition(" of ")
    chinese = {english: word for word, english in reversed(_CHINESE_LISTS.items())}.get(name)
    return f"{numbers.replace(', ', '、')} 的{chinese}" if of and chinese else expression


def evaluate(expression: str) -> Calculation:
    """Work out an expression of numbers, operators, parentheses and `sqrt`; raises CalculationError."""
    if re.search(r"[^\d.+\-*/%()sqrt ]", expression):
        raise CalculationError("that is not an expression of numbers")
    steps: list[str] = []
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        value = _compute(tree.body, steps)
        return Calculation(ast.unparse(tree), value, tuple(steps))
    except (SyntaxError, RecursionError, MemoryError) as exc:
        raise CalculationError("that is not a complete expression") from exc
    except ZeroDivisionError as exc:
        raise CalculationError("a division by zero has no value") from exc
    except OverflowError as exc:
        raise CalculationError("the result is too large for me") from exc


def show_number(value: Number) -> str:
    """Return a number as it is shown: twelve significant digits, no `.0`."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return str(value)


def _compute(node: ast.expr, steps: list[str]) -> Number:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return _check_size(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        operand = _compute(node.operand, steps)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left, right = _compute(node.left, steps), _compute(node.right, steps)
        sign, work = _OPERATORS[type(node.op)]
        if isinstance(node.op, ast.Pow):
            _check_power(left, right)
        value = _check_size(work(left, right))
        base = f"({show_number(left)})" if left < 0 and sign == "**" else show_number(left)
        steps.append(f"{base} {sign} {show_number(right)} = {show_number(value)}")
        return value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sqrt":
        if len(node.args) != 1 or node.keywords:
            raise CalculationError("sqrt takes one number")
        operand = _compute(node.args[0], steps)
        if operand < 0:
            raise CalculationError("a negative number has no real square root")
        value = math.sqrt(operand)
        steps.append(f"sqrt({show_number(operand)}) = {show_number(value)}")
        return value
    raise CalculationError("that is not an expression of numbers")


def _check_power(base: Number, exponent: Number) -> None:
    if isinstance(base, int) and isinstance(exponent, int):
        if abs(base) > 1 and abs(exponent) * base.bit_length() > 2 * _MOST_BITS:
            raise OverflowError
    elif base < 0 and not float(exponent).is_integer():
        raise CalculationError("a negative number to a fractional power is not a real number")


def _check_size(value: Number) -> Number:
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            raise OverflowError
    elif not math.isfinite(value):
        raise OverflowError
    return value


def _calculate_list(text: str) -> Calculation | None:
    found = re.search(
        rf"\b({'|'.join(_LISTS)}) of (?:the )?(?:numbers? |values? )?"
        rf"({_NUMBER}(?:(?:\s*,\s*(?:and )?|\s+and\s+|\s+){_NUMBER})+)",
        text,
    )
    if found is None:
        return None
    name = found[1]
    numbers: list[Number] = [_read_number(item) for item in re.findall(_NUMBER, found[2])]
    try:
        value = _check_size(_LISTS[name](numbers))
    except OverflowError as exc:
        raise CalculationError("the result is too large for me") from exc
    listed = ", ".join(map(show_number, numbers))
    return Calculation(f"{name} of {listed}", value, (f"{name} of {listed} = {show_number(value)}",))


def _read_number(text: str) -> Number:
    return _check_size(float(text) if "." in text else int(text))


def _write_exactly(value: Number) -> str:
    """Return a number as it is calculated with: no digit of a float is lost, and no exponent is written."""
    if isinstance(value, int):
        return str(value)
    written = repr(value)
    return f"{value:.30f}" if "e-" in written else str(int(value)) if "e" in written else written


def _follow_up(text: str, previous: str) -> str | None:
    text = _COURTESY.sub("", text).rstrip(" .?!=？。").removesuffix(" please").rstrip(" ,")
    text = re.sub(r" *(?:等于多少|是多少|等于几|呢)$", "", text)
    for pattern, template in _FOLLOW_UPS:
        found = re.fullmatch(pattern, text)
        if found:
            return found.expand(template).format(previous)
    text = re.sub(rf"square root of {_IT}\b", f"sqrt({previous})", text)
    replaced = re.sub(rf"^{_IT}(?= *[-+*/%])|(?<=[-+*/%] ){_IT}$", previous, text)
    return replaced if replaced != text and _RUN.fullmatch(replaced) else None


def _calculate_sentence(text: str) -> Calculation | None:
    for run in _RUN.findall(text):
        if _DATE.search(run) or not _OPERATION.search(run):
            continue
        # A sentence leaves a full stop, a bracket or a dash at the ends of what it wraps.
        whole = run.strip().rstrip(".(+-*/% ").lstrip(")*/% ")
        inner = whole.strip("()").strip()
        for candidate in dict.fromkeys((whole, whole.lstrip("+- "), inner)):
            try:
                ast.parse(candidate, mode="eval")
            except (SyntaxError, RecursionError, MemoryError, ValueError):
                continue
            return evaluate(candidate)
    return None
