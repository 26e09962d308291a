/** One view of an answer: reasoning and text as they come, below them the status line. */

import { OutputHold } from "./handover";
import { MarkdownView } from "../markdown/markdown_view";
import type { Typeset } from "../markdown/maths";
import { make } from "../nodes";
import { openBoxes, Reader } from "./scrolling";
import { FrameSchedule } from "./schedule";
import { StatusLine } from "./status_line";
import type { StopControl } from "./stop";
import type { AnswerStore, Header } from "./store";

export interface AnswerModel {
  store: AnswerStore;
  stop: StopControl;
  header(): Partial<Header>;
  clock(): number;
  /** Typesets the maths in an element as the notebook does; null where that is not to be had. */
  typeset: Typeset | null;
  /** Call back when the header or the state of Stop changed. */
  watch(listener: () => void): () => void;
}

/** Show an answer in an element; returns what takes it down again. */
export function showAnswer(model: AnswerModel, element: HTMLElement): () => void {
  const view = new AnswerView(model, element);
  return () => view.close();
}

class AnswerView {
  private readonly root = make("section", "cnai-answer");
  // As the notebook renders the final Markdown: the reasoning and each block stand in it side by side.
  private readonly body = make("div", "cnai-text jp-RenderedHTMLCommon jp-RenderedMarkdown");
  private readonly fold = make("details", "cnai-reasoning");
  private readonly thoughts = make("div", "cnai-thoughts");
  private readonly end = make("div", "cnai-end");
  private readonly status: StatusLine;

  private readonly markdown: MarkdownView;
  private readonly reasoning: MarkdownView;
  private readonly schedule = new FrameSchedule(() => this.draw());
  private readonly hold: OutputHold;
  private readonly reader: Reader;
  private readonly leave: (() => void)[];
  private closeBoxes: (() => void) | undefined;
  private ticking: ReturnType<typeof setInterval> | undefined;
  private wasOver: boolean;

  constructor(
    private readonly model: AnswerModel,
    element: HTMLElement,
  ) {
    const { root, body } = this;
    const { store } = model;
    root.setAttribute("aria-label", "Answer");
    this.status = new StatusLine(store, model.stop);
    const summary = make("summary");
    summary.textContent = "Reasoning";
    // Thoughts are drawn only while they are seen.
    summary.addEventListener("click", () => this.schedule.request());
    this.fold.append(summary, this.thoughts);
    // The last block is not the last of its element: the footer follows in the final Markdown.
    const last = make("span");
    last.hidden = true;
    body.append(last);
    this.end.setAttribute("aria-hidden", "true");
    root.append(body, this.status.element, this.end, this.status.spoken);
    element.append(root);

    this.markdown = new MarkdownView(store.texts, body, { before: last, typeset: model.typeset, asJson: true });
    this.reasoning = new MarkdownView(store.thoughts, this.thoughts, { typeset: model.typeset });
    this.hold = new OutputHold(root);
    this.reader = new Reader(root);
    this.wasOver = store.over;
    this.leave = [store.subscribe(() => this.changed()), model.watch(() => this.pressed()), this.watchEnd()];
    this.changed();
  }

  close(): void {
    this.schedule.stop();
    clearInterval(this.ticking);
    for (const each of this.leave) each();
    const { texts, thoughts, lost } = this.model.store;
    // Only what was read is left in sight; where nothing came, an error takes the place, and where the kernel
    // was lost, whatever the person does next.
    if (lost || (texts.empty && thoughts.empty)) {
      this.hold.hold();
      this.hold.stop();
      this.root.remove();
      this.closeBoxes?.();
    } else this.hold.handOver(this.fold.open, () => this.closeBoxes?.());
  }

  private changed(): void {
    const { over, lost } = this.model.store;
    if (over && !this.wasOver && !lost) this.hold.hold();
    this.wasOver = over;
    this.schedule.request();
  }

  /** What was pressed is answered at once, however slow the text is to draw. */
  private pressed(): void {
    this.drawStatus();
    this.schedule.request();
  }

  /** Returns whether more text is left than one frame takes. */
  private draw(): boolean {
    return this.reader.follow(() => {
      const { store } = this.model;
      // A view is made before it stands in the page.
      if (this.root.isConnected) this.closeBoxes ??= openBoxes(this.root);
      if (!store.thoughts.empty && !this.fold.isConnected) this.body.prepend(this.fold);
      const more = this.markdown.draw(store.over);
      const thoughtsLeft = this.fold.open ? this.reasoning.draw(store.over) : false;
      this.drawStatus();
      this.root.dataset.phase = store.over ? "done" : store.status.phase;
      return more || thoughtsLeft;
    });
  }

  private drawStatus(): void {
    const { store } = this.model;
    this.status.draw(this.model.header(), this.model.clock() - store.since);
    if (store.waiting && this.ticking === undefined) this.ticking = setInterval(() => this.drawStatus(), 250);
    else if (!store.waiting) {
      clearInterval(this.ticking);
      this.ticking = undefined;
    }
  }

  /** A line sets the status apart while text passes below it. */
  private watchEnd(): () => void {
    if (typeof IntersectionObserver === "undefined") return () => undefined;
    const observer = new IntersectionObserver(([entry]) => {
      this.root.classList.toggle("cnai-stuck", !entry!.isIntersecting);
    });
    observer.observe(this.end);
    return () => observer.disconnect();
  }
}
