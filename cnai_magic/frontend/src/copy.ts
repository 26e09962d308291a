/** Copy buttons. A page that is served over plain http has no clipboard API: then the older way is taken. */

import { setText } from "./nodes";

const SHOWN = 1500;

/** Put text on the clipboard; returns whether it is there. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/** Make a button copy what `text` returns when it is pressed, and say that it did. */
export function offerCopy(button: HTMLButtonElement, what: string, text: () => string): void {
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", `Copy ${what}`);
  let timer: ReturnType<typeof setTimeout> | undefined;
  button.addEventListener("click", () => {
    void copyText(text()).then((done) => {
      setText(button, done ? "Copied" : "Not copied");
      // The label is what a screen reader says, whatever the text.
      button.setAttribute("aria-label", done ? `Copied ${what}` : `Could not copy ${what}`);
      clearTimeout(timer);
      timer = setTimeout(() => {
        setText(button, "Copy");
        button.setAttribute("aria-label", `Copy ${what}`);
      }, SHOWN);
    });
  });
}

function copySelected(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.readOnly = true;
  area.style.cssText = "position:fixed;inset-block-start:0;opacity:0";
  document.body.append(area);
  area.focus({ preventScroll: true });
  area.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  }
}
