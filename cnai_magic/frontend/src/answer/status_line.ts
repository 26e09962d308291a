/** The one line below an answer while it comes: Stop, what is known of it, and a button that copies it. */

import { offerCopy } from "../copy";
import type { StopControl } from "./stop";
import type { AnswerStore, Header } from "./store";
import { announcement, facts, INTERRUPT_YOURSELF, stopLabel } from "./wording";
import { make, say } from "../nodes";

export class StatusLine {
  /** A part of its own, so that it can stay in sight while the answer runs past the window. */
  readonly element = make("div", "cnai-foot jp-RenderedHTMLCommon jp-RenderedMarkdown");
  /** What is read out. */
  readonly spoken = make("span", "cnai-unseen");

  private readonly paragraph = make("p", "cnai-status");
  // As high as the footer that will stand here: the same words in the same element, unseen.
  private readonly final = make("span", "cnai-final");
  private readonly line = make("span", "cnai-line");
  private readonly button = make("button", "cnai-button cnai-stop");
  private readonly pulse = make("span", "cnai-pulse");
  private readonly facts = make("span", "cnai-facts");
  private readonly copy = make("button", "cnai-button cnai-copy-answer");

  constructor(
    private readonly store: AnswerStore,
    private readonly stop: StopControl,
  ) {
    this.button.type = "button";
    this.button.addEventListener("click", () => this.stop.press());
    // Seconds that count are seen, not read out; `spoken` is.
    this.facts.setAttribute("aria-hidden", "true");
    this.pulse.setAttribute("aria-hidden", "true");
    this.final.setAttribute("aria-hidden", "true");
    this.spoken.setAttribute("role", "status");
    this.spoken.setAttribute("aria-live", "polite");
    offerCopy(this.copy, "the answer", () => this.store.texts.text);
    this.line.append(this.button, this.pulse, this.facts, this.copy);
    this.paragraph.append(this.final, this.line);
    this.element.append(this.paragraph);
  }

  draw(header: Partial<Header>, elapsed: number): void {
    const { store, stop } = this;
    const gone = !header.can_stop || store.over;
    if (gone && document.activeElement === this.button) this.button.blur();
    this.button.hidden = gone;
    const label = stopLabel(stop.state);
    say(this.button, label);
    const busy = label !== "Stop";
    this.button.setAttribute("aria-disabled", String(busy));
    this.button.setAttribute("aria-label", busy ? "Stopping this answer" : "Stop this answer");
    this.copy.hidden = store.texts.empty || (store.over && !store.lost);
    this.pulse.hidden = store.over || !store.texts.empty;
    const unreachable = stop.state === "unreachable" && !store.over;
    say(this.facts, unreachable ? INTERRUPT_YOURSELF : facts(header, store, elapsed));
    this.facts.classList.toggle("cnai-problem", unreachable || store.lost !== null);
    const line = store.lost ? "" : store.finalLine;
    say(this.final, line);
    this.paragraph.classList.toggle("cnai-as-final", line !== "" && !unreachable && !store.waiting);
    say(this.spoken, announcement(store, stop.state));
  }
}
