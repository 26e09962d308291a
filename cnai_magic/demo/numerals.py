"""Numbers that are written in words, English and Chinese, as digits."""

from __future__ import annotations

import re

__all__ = ["write_digits"]

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH = {word: number for number, word in enumerate(_ONES)}
_ENGLISH |= {word: 10 * number for number, word in enumerate(_TENS, 2)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6}
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_ONES[1:10])}))?|(?:{'|'.join(_ONES)}))\b"
_PART = rf"(?:{_SMALL}(?: hundred\b(?: (?:and )?{_SMALL})?)?|a hundred\b(?: (?:and )?{_SMALL})?)"
_IN_ENGLISH = re.compile(
    rf"\b(?:{_PART}|a (?=thousand\b|million\b))(?: ?(?:thousand|million)\b(?: (?:and )?{_PART})?)*"
)

_DIGITS = {word: number for number, word in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = "万亿"
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟", "一二三四五六七八九十百千")
_CHINESE = "".join((*_DIGITS, *_UNITS, *_MYRIADS))
# Parts ("百分之", "三分之一") and halves are read by `arithmetic`.
_IN_CHINESE = re.compile(rf"(负?)(?!百分之|一半)([{_CHINESE}]+)(?:点([{''.join(_DIGITS)}]+))?")


def write_digits(text: str) -> str:
    """Return a text in lower case with digits for its numbers in words: "twenty-one", "三点五"."""
    text = _IN_ENGLISH.sub(lambda found: str(_read_english(found[0])), text)
    return _IN_CHINESE.sub(_read_chinese, text.translate(_FORMAL))


def _read_english(words: str) -> int:
    total = part = 0
    for word in re.findall("[a-z]+", words):
        scale = _SCALES.get(word)
        if scale is None:
            part += _ENGLISH.get(word, 0) if word != "a" else 1
        elif scale == 100:
            part *= scale
        else:
            total, part = total + part * scale, 0
    return total + part


def _read_chinese(found: re.Match[str]) -> str:
    sign, whole, decimals = found.groups()
    number = str(_read_whole(whole))
    fraction = "".join(str(_DIGITS[each]) for each in decimals or "")
    return ("-" if sign else "") + number + (f".{fraction}" if fraction else "")


def _read_whole(word: str) -> int:
    if not set(word) & {*_UNITS, *_MYRIADS}:
        return int("".join(str(_DIGITS[each]) for each in word))  # digit by digit: 二〇二六
    total = part = 0
    digit: int | None = None
    for each in word:
        if each in _DIGITS:
            digit = _DIGITS[each]
        elif each in _UNITS:
            part += (1 if digit is None else digit) * _UNITS[each]
            digit = None
        elif each == "万":
            total, part, digit = total + (part + (digit or 0) or 1) * 10**4, 0, None
        else:
            total, part, digit = (total + part + (digit or 0) or 1) * 10**8, 0, None
    return total + part + (digit or 0)
