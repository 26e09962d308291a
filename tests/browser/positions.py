"""Where each word of an answer stands, before and after the final Markdown takes the widget's place."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator

__all__ = ["moved", "words"]

# Words and formulas with their places in the output's area; not of what is unseen or not the answer's.
_WORDS = """root => {
  const base = root.closest('.jp-OutputArea').getBoundingClientRect();
  const found = [];
  const add = (word, box) => found.push([word, box.left - base.left, box.top - base.top]);
  const walk = node => {
    if (node.nodeType === Node.TEXT_NODE) {
      for (const match of node.data.matchAll(/\\S+/g)) {
        const range = document.createRange();
        range.setStart(node, match.index);
        range.setEnd(node, match.index + match[0].length);
        const box = range.getClientRects()[0];
        if (box?.width) add(match[0], box);
      }
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    if (node.matches('.cnai-foot, .cnai-unseen, .cnai-row, button, .jp-InternalAnchorLink')) return;
    if (node.matches('p:has(> small:only-child):is(:last-child, :has(+ .cnai-row))')) return;
    if (node.parentElement.matches('details:not([open])') && node.localName !== 'summary') return;
    if (node.localName === 'mjx-container') return add('(formula)', node.getBoundingClientRect());
    for (const child of node.childNodes) walk(child);
  };
  walk(root);
  return found;
}"""


def words(answer: Locator) -> list[Any]:
    """Return the words of an answer: text, pixels from the left and from the top of its output."""
    found: list[Any] = answer.evaluate(_WORDS)
    return found


def moved(before: list[Any], after: list[Any]) -> float:
    """Return by how many pixels the word moved that moved most; the words must be the same."""
    text = ["".join(word for word, _, _ in each) for each in (before, after)]
    assert text[0] == text[1]
    # Code that is coloured is in more pieces than before: what begins at the same letter is compared.
    places = []
    for each in (before, after):
        at, found = 0, {}
        for word, left, top in each:
            found[at] = (left, top)
            at += len(word)
        places.append(found)
    shared = places[0].keys() & places[1].keys()
    assert len(shared) > 0.8 * len(places[0])
    return max(abs(places[0][at][axis] - places[1][at][axis]) for at in shared for axis in (0, 1))
