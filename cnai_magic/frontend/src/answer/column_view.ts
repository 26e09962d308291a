/** One of several answers: its heading, Stop and what is known of it, and below that its text as it comes. */

import { MarkdownView } from "../markdown/markdown_view";
import type { Typeset } from "../markdown/maths";
import { make, setText } from "../nodes";
import type { StopControl } from "./stop";
import type { AnswerStore } from "./store";
import { writeColumnStatus, writeStopLabel } from "./wording";
import type { Words } from "./words";

/** What is known of a column from the beginning. */
export interface Heading {
  number: number;
  model: string;
  /** In what it differs from the others. */
  varied: string;
}

/** What all views of a column share. */
export interface ColumnModel {
  heading: Heading;
  store: AnswerStore;
  stop: StopControl;
}

/** The name of one of several answers. */
export function nameAnswer({ number, model, varied }: Heading, say: Words): string {
  return say("Answer {number}: {what}", { number, what: [model, varied].filter(Boolean).join(" \u00b7 ") });
}

const UNREACHABLE = "This Stop could not reach the kernel: the notebook\u2019s own Interrupt button stops all of them.";
// So many pixels above the end of a text still count as being at its end.
const NEAR = 8;

export class ColumnView {
  readonly element = make("div", "cnai-column");

  private readonly button = make("button", "cnai-button cnai-stop");
  private readonly pulse = make("span", "cnai-pulse");
  private readonly facts = make("span", "cnai-facts");
  private readonly box = make("div", "cnai-column-text");
  private readonly body = make("div", "cnai-text jp-RenderedHTMLCommon jp-RenderedMarkdown");
  private readonly fold = make("details", "cnai-reasoning");
  private readonly thoughts = make("div", "cnai-thoughts");
  private readonly problem = make("p", "cnai-problem");
  private readonly text: MarkdownView;
  private readonly reasoning: MarkdownView;
  private follows = true;

  constructor(
    private readonly model: ColumnModel,
    private readonly say: Words,
    typeset: Typeset | null,
    redraw: () => void,
  ) {
    const { heading, store, stop } = model;
    const { element, button, pulse, box, body, fold, problem } = this;
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", nameAnswer(heading, say));
    button.type = "button";
    button.addEventListener("click", () => stop.press());
    pulse.setAttribute("aria-hidden", "true");
    // A long text is scrolled with the keyboard too.
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", say("Text of answer {number}", { number: heading.number }));
    problem.setAttribute("role", "alert");
    const summary = make("summary");
    setText(summary, say("Reasoning"));
    summary.addEventListener("click", redraw);
    fold.append(summary, this.thoughts);
    body.append(problem);
    box.append(body);
    element.append(this.makeHead(), box);
    this.text = new MarkdownView(store.text, body, { before: problem, typeset, asJson: true });
    this.reasoning = new MarkdownView(store.reasoning, this.thoughts, { typeset });
  }

  /** Whether the text is longer than its box, which scrolls then. */
  get isFull(): boolean {
    return this.box.scrollHeight > this.box.clientHeight + 1;
  }

  /** Note, before anything is drawn, whether the end of the text is in sight. */
  noteEnd(): void {
    const { box } = this;
    this.follows = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
  }

  /** Keep the end in sight, if it was. */
  showEnd(): void {
    if (this.follows) this.box.scrollTop = this.box.scrollHeight;
  }

  /** Draw what came, `elapsed` milliseconds after its phase began; returns whether more is left after `deadline`. */
  draw(elapsed: number, deadline: number): boolean {
    const { body, fold, problem } = this;
    const { store } = this.model;
    if (!store.reasoning.empty && !fold.isConnected) body.prepend(fold);
    const textLeft = this.text.draw(store.over, deadline);
    const reasoningLeft = fold.open && this.reasoning.draw(store.over, deadline);
    setText(problem, store.problem);
    problem.hidden = !store.problem;
    this.drawStatus(elapsed);
    return textLeft || reasoningLeft;
  }

  drawStatus(elapsed: number): void {
    const { say, button, facts } = this;
    const { store, stop, heading } = this.model;
    if (store.over && document.activeElement === button) this.box.focus({ preventScroll: true });
    button.hidden = store.over;
    // Seconds that count are seen, not spoken.
    facts.ariaHidden = store.over ? null : "true";
    const label = writeStopLabel(stop.state);
    const busy = label !== "Stop";
    setText(button, say(label));
    button.setAttribute("aria-disabled", String(busy));
    button.setAttribute("aria-label", say(busy ? "Stopping answer {number}" : "Stop answer {number}", { number: heading.number }));
    this.pulse.hidden = store.over || !store.text.empty;
    const unreachable = stop.state === "unreachable" && !store.over;
    setText(facts, unreachable ? say(UNREACHABLE) : writeColumnStatus(store, elapsed, say));
    facts.classList.toggle("cnai-problem", unreachable || store.lost !== null || store.problem !== "");
  }

  private makeHead(): HTMLElement {
    const { number, model, varied } = this.model.heading;
    const head = make("div", "cnai-column-head");
    const name = make("div", "cnai-column-name");
    setText(name, `${number} \u00b7 ${model}`);
    head.append(name);
    if (varied) {
      const differs = make("div", "cnai-column-varied");
      setText(differs, varied);
      head.append(differs);
    }
    const line = make("div", "cnai-column-line");
    line.append(this.button, this.pulse, this.facts);
    head.append(line);
    return head;
  }
}
