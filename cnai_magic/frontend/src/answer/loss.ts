/** Tells the page around an answer that its kernel was lost, and what is left of it as plain text. */

export const LOST = "cnai-lost";

export function tellLoss(element: HTMLElement, parts: readonly string[]): void {
  const detail = parts.filter(Boolean).join("\n\n");
  element.dispatchEvent(new CustomEvent<string>(LOST, { bubbles: true, detail }));
}
