/**
 * Compared answers of which none is kept: a button for each, which lets it join the conversation, and one that
 * asks again for those that failed.
 */

import { make, setText } from "../../src/nodes";
import type { Compared } from "./facts";
import { fill, type Words } from "./words";

export class AnswerChoice {
  readonly node = make("span", "cnai-row-choice");
  private drawn = "";

  constructor(
    private readonly words: Words,
    private readonly keep: (number: number) => void,
    private readonly askAgain: () => Promise<void>,
  ) {}

  /** Offer the answers; none where the kernel does not know them. */
  draw(compared: Compared | null, changeable: boolean): void {
    const { node, words } = this;
    const { numbers, again } = compared !== null && changeable ? compared : { numbers: [], again: false };
    node.hidden = numbers.length === 0 && !again;
    const wanted = JSON.stringify([numbers, again]);
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    const title = make("span");
    setText(title, words("Keep:"));
    const buttons: Node[] = numbers.map((number) => this.makeKeep(number));
    node.replaceChildren(...(numbers.length ? [title, ...buttons] : []), ...(again ? [this.makeAgain()] : []));
  }

  private makeKeep(number: number): HTMLButtonElement {
    const button = makeButton(String(number));
    const name = fill(this.words("Keep answer {number} in the conversation"), { number });
    button.setAttribute("aria-label", name);
    button.title = name;
    button.addEventListener("click", () => this.keep(number));
    return button;
  }

  /** The button stays, and cannot be pressed, until the answers are there. */
  private makeAgain(): HTMLButtonElement {
    const { words } = this;
    const button = makeButton(words("Ask again for what failed"));
    button.addEventListener("click", () => {
      button.disabled = true;
      setText(button, words("asking again …"));
      void this.askAgain().finally(() => {
        button.disabled = false;
        setText(button, words("Ask again for what failed"));
      });
    });
    return button;
  }
}

function makeButton(text: string): HTMLButtonElement {
  const button = make("button", "cnai-row-text");
  button.type = "button";
  setText(button, text);
  return button;
}
