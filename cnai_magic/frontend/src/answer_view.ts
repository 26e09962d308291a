/** One view of an answer: header with Stop, what is waited for, reasoning, text, footer. */

import { HeightHold } from "./hold";
import { followEnd, MarkdownView } from "./markdown_view";
import { FrameSchedule } from "./schedule";
import type { StopControl } from "./stop";
import type { AnswerStore, Header } from "./store";
import { announcement, footline, headline, INTERRUPT_YOURSELF, stopLabel, waiting } from "./wording";

export interface AnswerModel {
  store: AnswerStore;
  stop: StopControl;
  header(): Partial<Header>;
  clock(): number;
  /** Call back when the header or the state of Stop changed. */
  watch(listener: () => void): () => void;
}

/** Show an answer in an element; returns what takes it down again. */
export function showAnswer(model: AnswerModel, element: HTMLElement): () => void {
  const view = new AnswerView(model, element);
  return () => view.close();
}

function make<Name extends keyof HTMLElementTagNameMap>(name: Name, className: string): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.className = className;
  return made;
}

function say(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

class AnswerView {
  private readonly root = make("section", "cnai-answer");
  private readonly title = make("span", "cnai-title");
  private readonly badge = make("span", "cnai-badge");
  private readonly button = make("button", "cnai-button cnai-stop");
  private readonly problem = make("p", "cnai-problem");
  private readonly waiting = make("p", "cnai-waiting");
  private readonly seconds = document.createElement("span");
  private readonly fold = make("details", "cnai-reasoning");
  private readonly thoughts = make("div", "cnai-thoughts jp-RenderedHTMLCommon jp-RenderedMarkdown");
  private readonly text = make("div", "cnai-text jp-RenderedHTMLCommon jp-RenderedMarkdown");
  private readonly footer = make("div", "cnai-footer");
  private readonly status = make("span", "cnai-unseen");

  private readonly markdown: MarkdownView;
  private readonly reasoning: MarkdownView;
  private readonly schedule = new FrameSchedule(() => this.draw());
  private readonly hold: HeightHold;
  private readonly leave: (() => void)[];
  private ticking: ReturnType<typeof setInterval> | undefined;
  private toggled = false;
  private wasOver: boolean;

  constructor(
    private readonly model: AnswerModel,
    element: HTMLElement,
  ) {
    const { root } = this;
    root.setAttribute("aria-label", "Answer");
    const bar = make("div", "cnai-header");
    this.badge.textContent = "demo";
    this.badge.title = "A demo model of the built-in gateway, not a language model of the service";
    this.button.type = "button";
    this.button.setAttribute("aria-label", "Stop this answer");
    this.button.addEventListener("click", () => this.model.stop.press());
    bar.append(this.title, this.badge, this.button);
    this.problem.hidden = true;
    this.problem.textContent = INTERRUPT_YOURSELF;
    // Seconds that count are seen, not read out; the status below is.
    this.waiting.setAttribute("aria-hidden", "true");
    this.waiting.append(make("span", "cnai-pulse"), this.seconds);
    const summary = document.createElement("summary");
    summary.textContent = "Reasoning";
    summary.addEventListener("click", () => {
      this.toggled = true;
      // Thoughts are drawn only while they are seen.
      this.schedule.request();
    });
    this.thoughts.tabIndex = 0;
    this.thoughts.setAttribute("role", "region");
    this.thoughts.setAttribute("aria-label", "Reasoning");
    this.fold.append(summary, this.thoughts);
    this.fold.hidden = true;
    this.status.setAttribute("role", "status");
    this.status.setAttribute("aria-live", "polite");
    root.append(bar, this.problem, this.waiting, this.fold, this.text, this.footer, this.status);
    element.append(root);

    this.markdown = new MarkdownView(model.store.texts, this.text);
    this.reasoning = new MarkdownView(model.store.thoughts, this.thoughts);
    this.hold = new HeightHold(root);
    this.wasOver = model.store.over;
    this.leave = [model.store.subscribe(() => this.changed()), model.watch(() => this.pressed())];
    this.changed();
  }

  close(): void {
    // Only a view that was removed while it was alive makes room for something else.
    this.hold.hold();
    this.hold.stop();
    this.schedule.stop();
    clearInterval(this.ticking);
    for (const each of this.leave) each();
    this.root.remove();
  }

  private changed(): void {
    const { over } = this.model.store;
    if (over && !this.wasOver) this.hold.hold();
    this.wasOver = over;
    this.schedule.request();
  }

  /** What was pressed is answered at once, however slow the text is to draw. */
  private pressed(): void {
    this.drawHeader();
    this.schedule.request();
  }

  /** Returns whether more text is left than one frame takes. */
  private draw(): boolean {
    const { store } = this.model;
    this.drawHeader();
    this.drawReasoning();
    const more = this.markdown.draw(store.over);
    const thoughtsLeft = this.fold.open || store.over ? this.followThoughts() : false;
    this.drawWaiting();
    say(this.footer, footline(store.footer, store.status.footer));
    say(this.status, announcement(store.status, this.model.stop.state));
    this.root.dataset.phase = store.over ? "done" : store.status.phase;
    return more || thoughtsLeft;
  }

  private drawHeader(): void {
    const { store, stop } = this.model;
    const header = this.model.header();
    say(this.title, headline(header));
    this.badge.hidden = !header.demo;
    const gone = !header.can_stop || store.over;
    if (gone && document.activeElement === this.button) this.button.blur();
    this.button.hidden = gone;
    const label = stopLabel(stop.state);
    say(this.button, label);
    const busy = label !== "Stop";
    this.button.setAttribute("aria-disabled", String(busy));
    this.button.setAttribute("aria-label", busy ? "Stopping this answer" : "Stop this answer");
    this.problem.hidden = stop.state !== "unreachable" || store.over;
  }

  private drawReasoning(): void {
    const { store } = this.model;
    this.fold.hidden = store.thoughts.empty;
    // Open while it streams, closed when the answer starts; the reader's own choice wins.
    const open = !store.thoughts.empty && store.texts.empty && !store.over;
    if (!this.toggled && this.fold.open !== open) this.fold.open = open;
  }

  private followThoughts(): boolean {
    let left = false;
    followEnd(this.thoughts, () => (left = this.reasoning.draw(this.model.store.over)));
    return left;
  }

  private drawWaiting(): void {
    const { store } = this.model;
    const nothing = store.texts.empty && store.thoughts.empty;
    const shown = store.over ? "" : waiting(store.status, this.model.clock() - store.since);
    const line = shown || (nothing && store.status.phase === "streaming" ? "waiting for the first words" : "");
    this.waiting.hidden = line === "";
    say(this.seconds, line);
    if (shown && this.ticking === undefined) this.ticking = setInterval(() => this.drawWaiting(), 250);
    else if (!shown) {
      clearInterval(this.ticking);
      this.ticking = undefined;
    }
  }
}
