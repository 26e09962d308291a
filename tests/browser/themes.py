"""The themes of JupyterLab, and how well what they show is read."""

from __future__ import annotations

from .pages import NotebookPage

__all__ = ["CONTRAST", "ENOUGH", "OVERFLOW", "choose_theme"]

# WCAG 2.1, contrast ratio: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio
CONTRAST = """element => {
  const parse = colour => {
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: [red, green, blue], alpha };
  };
  const over = (top, under) => top.rgb.map((each, i) => each * top.alpha + under[i] * (1 - top.alpha));
  const grounds = [];
  let opacity = 1;
  for (let each = element; each; each = each.parentElement) {
    grounds.push(parse(getComputedStyle(each).backgroundColor));
    opacity *= Number(getComputedStyle(each).opacity);
  }
  const ground = grounds.reduceRight((under, top) => over(top, under), [255, 255, 255]);
  const text = parse(getComputedStyle(element).color);
  const seen = over({ rgb: text.rgb, alpha: text.alpha * opacity }, ground);
  const linear = each => (each /= 255) <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4;
  const luminance = ([red, green, blue]) =>
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const [light, dark] = [luminance(seen), luminance(ground)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}"""

ENOUGH = 4.5
"""WCAG's level AA for text of this size."""

OVERFLOW = """() => {
  const page = document.scrollingElement;
  const panel = document.querySelector('.jp-WindowedPanel-outer');
  return [page, panel].filter(each => each.scrollWidth > each.clientWidth).map(each => each.className);
}"""


def choose_theme(notebook: NotebookPage, theme: str) -> None:
    notebook.command("apputils:change-theme", theme=theme)
    notebook.page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
