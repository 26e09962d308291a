/** Compared answers of which none is kept: a button for each, which lets it join the conversation. */

import { make, setText } from "../../src/nodes";
import type { Compared } from "./facts";
import { fill, type Words } from "./words";

export class AnswerChoice {
  readonly node = make("span", "cnai-row-choice");

  constructor(
    private readonly words: Words,
    private readonly keep: (number: number) => void,
  ) {}

  /** Offer the answers; none where the kernel does not know them. */
  draw(compared: Compared | null, changeable: boolean): void {
    const { node, words } = this;
    const numbers = compared !== null && changeable ? compared.numbers : [];
    node.hidden = numbers.length === 0;
    if (node.childElementCount === numbers.length + 1) return;
    const title = make("span");
    setText(title, words("Keep:"));
    node.replaceChildren(title, ...numbers.map((number) => this.makeButton(number)));
  }

  private makeButton(number: number): HTMLButtonElement {
    const button = make("button", "cnai-row-text");
    button.type = "button";
    setText(button, String(number));
    const name = fill(this.words("Keep answer {number} in the conversation"), { number });
    button.setAttribute("aria-label", name);
    button.title = name;
    button.addEventListener("click", () => this.keep(number));
    return button;
  }
}
