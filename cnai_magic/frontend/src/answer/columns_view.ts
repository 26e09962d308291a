/** One view of several answers to a question, side by side; where they do not fit, they scroll sideways. */

import type { Typeset } from "../markdown/maths";
import { make, setText } from "../nodes";
import { type ColumnModel, ColumnView, nameAnswer } from "./column_view";
import { Handover } from "./handover";
import { tellLoss } from "./loss";
import { FrameSchedule } from "./schedule";
import { EndFollower } from "./scrolling";
import { announceColumns } from "./wording";
import { chooseWords, type Words } from "./words";

/** What all views of the answers share. */
export interface ColumnsModel {
  language?: string;
  columns: ColumnModel[];
  /** What the kernel does once all are over, as a line of text; "" before. */
  afterwards: string;
  clock(): number;
  typeset: Typeset | null;
}

const TICK = 250;
// Milliseconds after which the columns that are left are drawn in the next frame.
const BUDGET = 6;

export class ColumnsView {
  private readonly root = make("section", "cnai-answer cnai-columns");
  private readonly scroller = make("div", "cnai-scroller");
  private readonly stopAll = make("button", "cnai-button cnai-stop");
  private readonly count = make("span", "cnai-facts");
  private readonly say: Words;
  private readonly views: ColumnView[];
  private readonly schedule = new FrameSchedule(() => this.draw());
  private readonly handover: Handover;
  private readonly follower: EndFollower;
  private readonly unsubscribe: (() => void)[];
  private readonly ticking: ReturnType<typeof setInterval>;
  /** The column that is drawn first: where the time of a frame ended. */
  private first = 0;
  private wasOver: boolean;
  private full = false;

  constructor(
    private readonly model: ColumnsModel,
    element: HTMLElement,
  ) {
    const { root } = this;
    this.say = chooseWords(model.language);
    this.views = model.columns.map((each) => new ColumnView(each, this.say, model.typeset, () => this.schedule.request()));
    this.build();
    element.append(root);
    this.handover = new Handover(root);
    this.follower = new EndFollower(root);
    this.wasOver = this.isOver;
    const changed = (): void => this.changed();
    this.unsubscribe = model.columns.flatMap(({ store, stop }) => [store.subscribe(changed), stop.subscribe(changed)]);
    this.ticking = setInterval(() => this.drawStatus(), TICK);
    this.changed();
  }

  /** Take the view down; what was read stays in sight until what stays is there. */
  close(): void {
    this.schedule.stop();
    clearInterval(this.ticking);
    for (const each of this.unsubscribe) each();
    if (this.isLost) this.handover.skip(() => undefined);
    else this.handover.leave(false, () => undefined);
  }

  private get isOver(): boolean {
    return this.model.columns.every(({ store }) => store.over);
  }

  private get isLost(): boolean {
    return this.model.columns.some(({ store }) => store.lost);
  }

  private build(): void {
    const { root, scroller, stopAll, count, say, views } = this;
    root.setAttribute("aria-label", say("Answers side by side"));
    // Arrow keys scroll here, and Enter presses a button; they do not move to another cell or run it.
    root.setAttribute("data-lm-suppress-shortcuts", "true");
    scroller.append(...views.map((each) => each.element));
    stopAll.type = "button";
    setText(stopAll, say("Stop all"));
    stopAll.addEventListener("click", () => {
      for (const { store, stop } of this.model.columns) if (!store.over) stop.press();
    });
    count.setAttribute("role", "status");
    const foot = make("div", "cnai-columns-foot");
    foot.append(stopAll, count);
    root.append(scroller, foot);
  }

  private changed(): void {
    const ends = this.isOver && !this.wasOver;
    if (ends) this.handover.keepHeight();
    this.wasOver = this.isOver;
    this.schedule.request();
    // The last: it may take this view down.
    if (ends && this.isLost) this.tellLoss();
  }

  private tellLoss(): void {
    const { root, say, model } = this;
    const texts = model.columns.map(({ heading, store }) => [nameAnswer(heading, say), store.text.whole.trim()].join("\n"));
    tellLoss(root, [...texts, announceColumns(model.columns.map(({ store }) => store), say)]);
  }

  /** Draw what came; returns whether more is left than one frame takes. */
  private draw(): boolean {
    return this.follower.follow(() => {
      const { views, model } = this;
      // What is measured is measured at once: each look after a change lays out the page again.
      for (const each of views) each.noteEnd();
      const end = performance.now() + BUDGET;
      let more = false;
      for (let drawn = 0; drawn < views.length; drawn += 1) {
        if (performance.now() > end) {
          more = true;
          break;
        }
        const index = this.first;
        this.first = (index + 1) % views.length;
        more = views[index]!.draw(this.elapsed(model.columns[index]!), end) || more;
      }
      if (!this.full && views.some((each) => each.isFull)) this.root.classList.toggle("cnai-full", (this.full = true));
      for (const each of views) each.showEnd();
      this.drawCount();
      return more;
    });
  }

  private drawStatus(): void {
    this.views.forEach((each, index) => each.drawStatus(this.elapsed(this.model.columns[index]!)));
    this.drawCount();
  }

  private drawCount(): void {
    const stores = this.model.columns.map(({ store }) => store);
    setText(this.count, this.model.afterwards || announceColumns(stores, this.say));
    const left = stores.filter((each) => !each.over).length;
    // Hidden, it would take the keyboard's place away with it.
    const useless = left === 0 || stores.length === 1;
    if (useless && document.activeElement === this.stopAll) this.stopAll.blur();
    this.stopAll.hidden = useless;
  }

  private elapsed({ store }: ColumnModel): number {
    return this.model.clock() - store.since;
  }
}
