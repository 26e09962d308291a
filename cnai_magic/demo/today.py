"""A rule of demo-guide about the date and the time, by the clock of this computer."""

from __future__ import annotations

import datetime

from .question import Question

__all__ = ["tell_date"]

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def tell_date(question: Question) -> str | None:
    """Tell the date or the time, by the clock of this computer."""
    now = datetime.datetime.now().astimezone()
    if question.asks(
        r"^(?:hey,? |so |please )?(?:what(?:'s| is)? (?:the )?(?:current |exact )?time\b(?: is it"
        r"| now| right now| today)*|what time is it.{0,20}|tell me the time)\W*$|几点"
    ):
        return (
            f"现在是 **{now:%H:%M}**（按本机时钟）。"
            if question.in_chinese
            else f"It is **{now:%H:%M}** by the clock of this computer."
        )
    if not question.asks(
        r"^(?:hey,? |so |please )?(?:what|which|tell me|do you know)(?:'s| is| what| the"
        r"|, )*[a-z' ]{0,20}\b(?:day|date|month|year)\b"
        r"(?: of the (?:week|month|year))?(?: is| it| today| tomorrow| yesterday| was| will| be"
        r"| now| right| the| current| on| we| have| are| in)*\W*$"
        r"|\b(?:today's|tomorrow's|yesterday's) (?:date|day)\b|\bday is (?:it|today)\b|\bwhat is today\b"
        r"|(?:今天|明天|昨天|后天)(?:是)?(?:几|星期|周|礼拜|什么日子|哪|多少号|的?日期)|(?:今年|现在|今天)(?:是)?(?:哪一?年|几几年|几月|公元)"
        r"|几月几[日号]|^(?:今天的?)?日期"
    ):
        return None
    shift = 0
    for word, days in (("day after tomorrow|后天", 2), ("yesterday|昨天", -1), ("tomorrow|明天", 1)):
        if question.asks(word):
            shift = days
            break
    day = now + datetime.timedelta(days=shift)
    if question.in_chinese:
        name = {0: "今天", 1: "明天", 2: "后天", -1: "昨天"}[shift]
        week = "一二三四五六日"[day.weekday()]
        return f"{name}是 **{day.year} 年 {day.month} 月 {day.day} 日，星期{week}**（按本机时钟）。"
    verb = {0: "Today is", 1: "Tomorrow is", 2: "The day after tomorrow is", -1: "Yesterday was"}[shift]
    weekday = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[day.weekday()]
    month = _MONTHS[day.month - 1]
    return f"{verb} **{weekday}, {day.day} {month} {day.year}**, by the clock of this computer."
