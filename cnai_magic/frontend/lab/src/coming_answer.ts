/** What a cell shows of an answer that is coming and that this page did not see begin. */

import { make, setText } from "../../src/nodes";
import type { LeftWidget } from "./left_widget";
import { fill, type Words } from "./words";

const TICK = 1000;

export class ComingAnswer {
  /** As JupyterLab makes an output, so that the answer stands where it will at the end. */
  readonly node = make("div", "jp-OutputArea-child cnai-coming");
  private readonly output = make("div", "jp-OutputArea-output");
  private readonly line = make("div", "cnai-coming-line");
  private readonly timer: ReturnType<typeof setInterval>;
  private widget: LeftWidget | null = null;
  private takeDown: (() => void) | undefined;
  private closed = false;

  constructor(
    private readonly words: Words,
    private since: number,
  ) {
    const prompt = make("div", "jp-OutputPrompt jp-OutputArea-prompt");
    this.line.setAttribute("role", "status");
    this.output.append(this.line);
    this.node.append(prompt, this.output);
    this.timer = setInterval(() => this.draw(), TICK);
    this.draw();
  }

  /** Whether an answer is shown as it comes. */
  get isLive(): boolean {
    return this.widget !== null && !this.closed;
  }

  /** It runs now, after it waited for others. */
  begin(since: number): void {
    this.since = since;
    this.draw();
  }

  /** Show the live view of a widget from here on. */
  async show(widget: LeftWidget): Promise<void> {
    this.widget = widget;
    const { render } = await import("../../src/index");
    if (this.closed) return;
    this.line.remove();
    this.takeDown = render({ model: widget, el: this.output });
  }

  /** What has come is all there will be: the view tells the page so. */
  lose(): void {
    this.widget?.lose();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    clearInterval(this.timer);
    this.takeDown?.();
    this.widget?.close();
    this.node.remove();
  }

  private draw(): void {
    const { words, since } = this;
    const seconds = Math.max(0, Math.floor((Date.now() - since) / 1000));
    setText(this.line, since ? fill(words("An answer is coming · {seconds} s"), { seconds }) : words("An answer will come"));
  }
}
