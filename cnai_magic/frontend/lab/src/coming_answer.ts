/** What a cell shows of an answer that is coming and that this page did not see begin. */

import { make, setText } from "../../src/nodes";
import { asRecord, asText } from "./facts";
import { fill, type Words } from "./words";

const TICK = 1000;

export class ComingAnswer {
  readonly node = make("section", "cnai-coming");
  private readonly text = make("div", "cnai-coming-text");
  private readonly line = make("div", "cnai-coming-line");
  private readonly timer: ReturnType<typeof setInterval>;
  private whole = false;

  constructor(
    private readonly words: Words,
    private since: number,
  ) {
    this.node.setAttribute("aria-label", words("Answer"));
    this.line.setAttribute("role", "status");
    this.node.append(this.text, this.line);
    this.timer = setInterval(() => this.draw(), TICK);
    this.draw();
  }

  /** It runs now, after it waited for others. */
  begin(since: number): void {
    this.since = since;
    this.draw();
  }

  /** Show what a message to the live view, which is not there, has of the text. */
  take(data: unknown): void {
    const { method, content, state } = asRecord(data);
    const { kind, text } = asRecord(content);
    const { snapshot } = asRecord(state);
    if (method === "custom" && kind === "delta") {
      // Without its beginning, until that is sent again.
      if (!this.whole && !this.text.hasChildNodes()) this.text.append("… ");
      this.text.append(asText(text));
    } else if (method === "update" && asText(asRecord(snapshot).text)) {
      this.whole = true;
      setText(this.text, asText(asRecord(snapshot).text));
    }
  }

  close(): void {
    clearInterval(this.timer);
    this.node.remove();
  }

  private draw(): void {
    const { words, since } = this;
    const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
    setText(this.line, since ? fill(words("An answer is coming · {seconds} s"), { seconds }) : words("An answer will come"));
  }
}
