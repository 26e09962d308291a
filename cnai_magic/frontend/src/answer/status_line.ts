/** The one line below an answer while it comes: Stop, what is known of it, and a button that copies it. */

import { offerCopy } from "../copy";
import { make, setText } from "../nodes";
import type { StopControl } from "./stop";
import type { AnswerStore, Header } from "./store";
import { INTERRUPT_YOURSELF, writeAnnouncement, writeStatus, writeStopLabel } from "./wording";
import { chooseWords, type Words } from "./words";

export class StatusLine {
  /** An element of its own, so that it can stay in sight while the answer runs past the window. */
  readonly element = make("div", "cnai-foot jp-RenderedHTMLCommon jp-RenderedMarkdown");
  /** What a screen reader says. */
  readonly spoken = make("span", "cnai-unseen");

  private readonly paragraph = make("p", "cnai-status");
  // As high as the footer that will stand here: the same words in the same element, unseen.
  private readonly final = make("span", "cnai-final");
  private readonly line = make("span", "cnai-line");
  private readonly button = make("button", "cnai-button cnai-stop");
  private readonly pulse = make("span", "cnai-pulse");
  private readonly facts = make("span", "cnai-facts");
  private readonly copy = make("button", "cnai-button cnai-copy-answer");
  private readonly say: Words;

  constructor(
    private readonly header: Header,
    private readonly store: AnswerStore,
    private readonly stop: StopControl,
  ) {
    this.say = chooseWords(header.language);
    this.button.type = "button";
    this.button.addEventListener("click", () => this.stop.press());
    // Seconds that count are seen, not spoken.
    for (const each of [this.facts, this.pulse, this.final]) each.setAttribute("aria-hidden", "true");
    this.spoken.setAttribute("role", "status");
    this.spoken.setAttribute("aria-live", "polite");
    offerCopy(this.copy, "the answer", () => this.store.text.whole);
    this.line.append(this.button, this.pulse, this.facts, this.copy);
    this.paragraph.append(this.final, this.line);
    this.element.append(this.paragraph);
  }

  /** Show the present state; `elapsed` milliseconds have passed since its phase began. */
  draw(elapsed: number): void {
    const { store, stop } = this;
    this.drawButton();
    this.copy.hidden = store.text.empty || store.ended;
    this.pulse.hidden = store.over || !store.text.empty;
    const unreachable = stop.state === "unreachable" && !store.over;
    setText(this.facts, unreachable ? this.say(INTERRUPT_YOURSELF) : writeStatus(this.header, store, elapsed));
    this.facts.classList.toggle("cnai-problem", unreachable || store.lost !== null);
    const footer = store.lost ? "" : store.footer;
    setText(this.final, footer);
    this.paragraph.classList.toggle("cnai-as-final", footer !== "" && !unreachable && !store.waiting);
    setText(this.spoken, writeAnnouncement(store, stop.state, this.say));
  }

  private drawButton(): void {
    const { over } = this.store;
    if (over && document.activeElement === this.button) this.button.blur();
    this.button.hidden = over;
    const label = writeStopLabel(this.stop.state);
    const busy = label !== "Stop";
    setText(this.button, this.say(label));
    this.button.setAttribute("aria-disabled", String(busy));
    this.button.setAttribute("aria-label", this.say(busy ? "Stopping this answer" : "Stop this answer"));
  }
}
