/** The row below an answer: its attempts, copy, its code in a new cell, and what about it or below it is stale. */

import { addBelowIcon, caretLeftIcon, caretRightIcon, copyIcon, type LabIcon } from "@jupyterlab/ui-components";

import { copyText } from "../../src/copy";
import { make, setText } from "../../src/nodes";
import type { Facts } from "./facts";
import { fill, type Words } from "./words";

/** What a row shows; `attempts` can be changed where the kernel knows them. */
export interface RowContent {
  readonly facts: Facts | null;
  readonly text: string;
  readonly code: string;
  /** What it was asked, where the latest attempt was asked something else. */
  readonly otherQuestion: string;
  /** The number that its turn has now, where the footer says another one; 0 where it was taken out. */
  readonly number: number | undefined;
  readonly changeable: boolean;
  readonly isStale: boolean;
  readonly staleBelow: number;
}

export interface RowActions {
  /** Put an attempt into force. */
  keep(answer: string): Promise<void>;
  insertCode(): void;
  askAgain(): void;
  runStale(): void;
}

// Milliseconds for which it says that the answer was copied.
const COPIED = 1500;
// Characters of a question that stand in the row at most.
const LONGEST = 200;
const LONGEST_TITLE = 1000;

export class AnswerRow {
  readonly node = make("div", "cnai-row");
  /** The question of an attempt that was asked another one, unfolded below the row. */
  readonly question = make("div", "cnai-row-question");

  private readonly former: HTMLButtonElement;
  private readonly position = make("span", "cnai-row-position");
  private readonly later: HTMLButtonElement;
  private readonly copy: HTMLButtonElement;
  private readonly insert: HTMLButtonElement;
  private readonly number = make("span", "cnai-row-number");
  private readonly asked = make("button", "cnai-row-asked");
  private readonly stale = make("span", "cnai-row-stale");
  private readonly again = make("button", "cnai-row-text");
  private readonly below = make("button", "cnai-row-text");
  private content: RowContent | null = null;

  constructor(
    private readonly words: Words,
    private readonly actions: RowActions,
  ) {
    const { node, position, number, asked, stale, again, below } = this;
    this.former = makeIconButton(caretLeftIcon, words("Former attempt"), () => this.step(-1));
    this.later = makeIconButton(caretRightIcon, words("Later attempt"), () => this.step(1));
    this.copy = makeIconButton(copyIcon, words("Copy answer"), () => void this.copyAnswer());
    this.insert = makeIconButton(addBelowIcon, words("Code to a new cell below"), () => actions.insertCode());
    setText(stale, words("asked with other turns above"));
    setText(again, words("ask again"));
    again.addEventListener("click", () => actions.askAgain());
    below.addEventListener("click", () => actions.runStale());
    asked.addEventListener("click", () => this.unfold(this.question.hidden));
    for (const each of [asked, again, below]) each.type = "button";
    // What is longer than it is high is scrolled with the keyboard.
    this.question.tabIndex = 0;
    this.unfold(false);
    position.setAttribute("aria-live", "polite");
    node.setAttribute("role", "toolbar");
    node.setAttribute("aria-label", words("Answer"));
    // Enter and Space press a button here; they do not edit or run the cell.
    node.setAttribute("data-lm-suppress-shortcuts", "true");
    node.append(this.former, position, this.later, this.copy, this.insert, number, asked, stale, again, below);
  }

  get hasText(): boolean {
    return !!this.content?.text;
  }

  get hasCode(): boolean {
    return !!this.content?.code;
  }

  draw(content: RowContent): void {
    this.content = content;
    const { words } = this;
    const { facts, otherQuestion, number, changeable, isStale, staleBelow } = content;
    const several = facts !== null && facts.attempts.length > 1;
    const index = facts === null ? 0 : facts.attempts.indexOf(facts.id);
    const count = facts?.attempts.length ?? 0;
    this.position.hidden = !several;
    setText(this.position, several ? `${index + 1}/${count}` : "");
    this.position.title = several ? fill(words("Attempt {index} of {count}"), { index: index + 1, count }) : "";
    for (const each of [this.former, this.later]) each.hidden = !(several && changeable);
    setDisabled(this.former, index <= 0);
    setDisabled(this.later, index >= count - 1);
    this.copy.hidden = !content.text;
    this.insert.hidden = !content.code;
    this.number.hidden = number === undefined;
    setText(this.number, number ? fill(words("turn {number} now"), { number }) : words("taken out of the conversation"));
    this.asked.hidden = !otherQuestion;
    setText(this.asked, fill(words("asked: {question}"), { question: otherQuestion.slice(0, LONGEST) }));
    this.asked.title = otherQuestion.slice(0, LONGEST_TITLE);
    setText(this.question, otherQuestion);
    if (!otherQuestion) this.unfold(false);
    this.stale.hidden = this.again.hidden = !isStale;
    this.below.hidden = staleBelow === 0;
    const below = staleBelow === 1 ? words("1 below is stale: run it") : words("{count} below are stale: run them");
    setText(this.below, fill(below, { count: staleBelow }));
  }

  /** The attempt that is so many later than the one shown; undefined where there is none, or it cannot be had. */
  findAttempt(by: number): string | undefined {
    const { facts = null, changeable = false } = this.content ?? {};
    return changeable && facts ? facts.attempts[facts.attempts.indexOf(facts.id) + by] : undefined;
  }

  /** Put the attempt before or after into force. */
  step(by: number): void {
    const wanted = this.findAttempt(by);
    if (wanted !== undefined) void this.actions.keep(wanted);
  }

  private unfold(unfolded: boolean): void {
    this.question.hidden = !unfolded;
    this.asked.setAttribute("aria-expanded", String(unfolded));
  }

  async copyAnswer(): Promise<void> {
    const done = await copyText(this.content?.text ?? "");
    const said = done ? this.words("Copied") : this.words("Not copied");
    label(this.copy, said);
    this.copy.classList.toggle("cnai-copied", done);
    setTimeout(() => {
      label(this.copy, this.words("Copy answer"));
      this.copy.classList.remove("cnai-copied");
    }, COPIED);
  }
}

function makeIconButton(icon: LabIcon, name: string, press: () => void): HTMLButtonElement {
  const button = make("button", "cnai-row-icon");
  button.type = "button";
  label(button, name);
  icon.element({ container: button, tag: "span", height: "16px", width: "16px" });
  button.addEventListener("click", () => {
    if (button.getAttribute("aria-disabled") !== "true") press();
  });
  return button;
}

function label(button: HTMLButtonElement, name: string): void {
  button.setAttribute("aria-label", name);
  button.title = name;
}

/** It stays where the keyboard is, also at the end of the attempts. */
function setDisabled(button: HTMLButtonElement, disabled: boolean): void {
  button.setAttribute("aria-disabled", String(disabled));
}
