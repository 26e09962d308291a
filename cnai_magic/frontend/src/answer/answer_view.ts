/** One view of an answer: reasoning and text as they come, below them the status line. */

import { MarkdownView } from "../markdown/markdown_view";
import type { Typeset } from "../markdown/maths";
import { make } from "../nodes";
import { Handover } from "./handover";
import { tellLoss } from "./loss";
import { FrameSchedule } from "./schedule";
import { EndFollower, keepBoxesFromScrolling } from "./scrolling";
import { StatusLine } from "./status_line";
import type { StopControl } from "./stop";
import type { AnswerStore, Header } from "./store";
import { writeStatus } from "./wording";
import { chooseWords } from "./words";

/** What all views of an answer share. */
export interface AnswerModel {
  header: Header;
  store: AnswerStore;
  stop: StopControl;
  clock(): number;
  /** Typesets the maths in an element as the notebook does; null where the notebook cannot. */
  typeset: Typeset | null;
}

const TICK = 250;

export class AnswerView {
  private readonly root = make("section", "cnai-answer");
  // As the notebook renders the final Markdown: the reasoning and each block stand in it side by side.
  private readonly body = make("div", "cnai-text jp-RenderedHTMLCommon jp-RenderedMarkdown");
  private readonly fold = make("details", "cnai-reasoning");
  private readonly thoughts = make("div", "cnai-thoughts");
  private readonly end = make("div", "cnai-end");
  private readonly status: StatusLine;

  private readonly text: MarkdownView;
  private readonly reasoning: MarkdownView;
  private readonly schedule = new FrameSchedule(() => this.draw());
  private readonly handover: Handover;
  private readonly follower: EndFollower;
  private readonly unsubscribe: (() => void)[];
  private letBoxesScroll: (() => void) | undefined;
  private ticking: ReturnType<typeof setInterval> | undefined;
  private wasOver: boolean;

  constructor(
    private readonly model: AnswerModel,
    element: HTMLElement,
  ) {
    const { root, body } = this;
    const { header, store, stop, typeset } = model;
    this.status = new StatusLine(header, store, stop);
    this.build();
    // The last block is not the last of its element: the footer follows in the final Markdown.
    const last = make("span");
    last.hidden = true;
    body.append(last);
    element.append(root);

    this.text = new MarkdownView(store.text, body, { before: last, typeset, asJson: true });
    this.reasoning = new MarkdownView(store.reasoning, this.thoughts, { typeset });
    this.handover = new Handover(root);
    this.follower = new EndFollower(root);
    this.wasOver = store.over;
    this.unsubscribe = [store.subscribe(() => this.changed()), stop.subscribe(() => this.drawStatus()), this.watchEnd()];
    this.changed();
  }

  /** Take the view down; what was read stays in sight until the final Markdown is there. */
  close(): void {
    this.schedule.stop();
    clearInterval(this.ticking);
    for (const each of this.unsubscribe) each();
    const { empty, lost } = this.model.store;
    const done = (): void => this.letBoxesScroll?.();
    // Where nothing came, an error takes the place, and where the kernel was lost, whatever the user runs next.
    if (lost || empty) this.handover.skip(done);
    else this.handover.leave(this.fold.open, done);
  }

  private build(): void {
    const { root, body, fold, status } = this;
    root.setAttribute("aria-label", "Answer");
    const summary = make("summary");
    summary.textContent = chooseWords(this.model.header.language)("Reasoning");
    // Reasoning is drawn only while it is seen.
    summary.addEventListener("click", () => this.schedule.request());
    fold.append(summary, this.thoughts);
    this.end.setAttribute("aria-hidden", "true");
    root.append(body, status.element, this.end, status.spoken);
  }

  private changed(): void {
    const { header, store } = this.model;
    const { ended, over, lost } = store;
    const ends = over && !this.wasOver;
    if (ended && ends) this.handover.keepHeight();
    this.wasOver = over;
    this.schedule.request();
    // The last: it may take this view down.
    if (lost && ends) tellLoss(this.root, [store.text.whole.trim(), writeStatus(header, store, 0)]);
  }

  /** Draw what came; returns whether more is left than one frame takes. */
  private draw(): boolean {
    return this.follower.follow(() => {
      const { store } = this.model;
      // A view is made before it stands in the page.
      if (this.root.isConnected) this.letBoxesScroll ??= keepBoxesFromScrolling(this.root);
      if (!store.reasoning.empty && !this.fold.isConnected) this.body.prepend(this.fold);
      const textLeft = this.text.draw(store.over);
      const reasoningLeft = this.fold.open && this.reasoning.draw(store.over);
      this.drawStatus();
      this.root.classList.toggle("cnai-over", store.over);
      return textLeft || reasoningLeft;
    });
  }

  private drawStatus(): void {
    const { store, clock } = this.model;
    this.status.draw(clock() - store.since);
    if (!store.waiting) {
      clearInterval(this.ticking);
      this.ticking = undefined;
    } else this.ticking ??= setInterval(() => this.drawStatus(), TICK);
  }

  /** Set the status line apart while text passes below it. */
  private watchEnd(): () => void {
    const observer = new IntersectionObserver(([entry]) => {
      this.root.classList.toggle("cnai-stuck", !entry!.isIntersecting);
    });
    observer.observe(this.end);
    return () => observer.disconnect();
  }
}
