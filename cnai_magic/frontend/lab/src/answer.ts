/**
 * Shows answers with a row of what can be done with them.
 *
 * The text is Lab's own Markdown renderer's, sanitized whether or not the notebook is trusted; the row is made of text
 * nodes. An output names IDs only, which the kernel looks up: a forged one can show wrong facts and run nothing.
 */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { Cell } from "@jupyterlab/cells";
import { INotebookTracker, NotebookActions, type NotebookPanel } from "@jupyterlab/notebook";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { IRenderMime } from "@jupyterlab/rendermime-interfaces";
import { ITranslator } from "@jupyterlab/translation";
import { MessageLoop } from "@lumino/messaging";

import { make } from "../../src/nodes";
import { AnswerChoice } from "./answer_choice";
import { AnswerRow } from "./answer_row";
import { css } from "./answer_style";
import { changeKernel } from "./change_kernel";
import { type Compared, type Facts, findPython, isId, PAGE_TYPE, readAnswer, readCompared, readFacts, readOtherQuestion } from "./facts";
import { findPlace, goTo, type Place } from "./notebook_cells";
import { getState, type NotebookState } from "./notebook_state";
import { isQuestion } from "./prompt_text";
import { addStyle } from "./style";
import { chooseWords, type Words } from "./words";

const MARKDOWN = "text/markdown";
const STALE = "cnai-stale";

export const answer: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:answer",
  description: "Shows the attempts of an answer, and what can be done with it.",
  autoStart: true,
  requires: [IRenderMimeRegistry, INotebookTracker],
  optional: [ITranslator],
  activate: (_app, rendermime: IRenderMimeRegistry, notebooks: INotebookTracker, translator: ITranslator | null) => {
    addStyle(css);
    const words = chooseWords(translator);
    const createRenderer = (options: IRenderMime.IRendererOptions): IRenderMime.IRenderer => {
      const factory = rendermime.getFactory(MARKDOWN) ?? rendermime.getFactory("text/plain")!;
      const renderer = factory.createRenderer({ ...options, mimeType: MARKDOWN });
      new ShownAnswer(renderer, notebooks, words);
      return renderer;
    };
    rendermime.addFactory({ safe: true, mimeTypes: [PAGE_TYPE], createRenderer }, 10);
  },
};

const shown = new Set<ShownAnswer>();

/** The answer that a cell shows; the last one of several. */
export function findAnswer(cell: Cell): ShownAnswer | undefined {
  return [...shown].filter((each) => each.cell === cell).pop();
}

/** An answer in the page: what Lab renders of it, and below that its row. */
export class ShownAnswer {
  readonly row: AnswerRow;
  private readonly choice: AnswerChoice;
  private facts: Facts | null = null;
  private compared: Compared | null = null;
  private text = "";
  private code = "";
  private otherQuestion = "";
  private state: NotebookState | null = null;
  private known: Place | null = null;
  private marked: Cell | undefined;
  private readonly draw = (): void => this.drawRow();

  constructor(
    private readonly renderer: IRenderMime.IRenderer,
    private readonly notebooks: INotebookTracker,
    words: Words,
  ) {
    shown.add(this);
    this.row = new AnswerRow(words, {
      keep: (wanted) => this.keep(wanted),
      insertCode: () => this.insertCode(),
      askAgain: () => this.run([this.place?.cell.model.id ?? ""]),
      runStale: () => this.run(this.staleBelow),
    });
    const askAgain = (): Promise<void> => this.askComparedAgain();
    this.choice = new AnswerChoice(words, (number) => void this.keepCompared(number), askAgain);
    this.row.node.append(this.choice.node);
    const render = renderer.renderModel.bind(renderer);
    renderer.renderModel = (model) => this.render(model, render);
    // JupyterLab takes cells that are not in sight out of the page.
    MessageLoop.installMessageHook(renderer, (_, { type }) => {
      if (type === "after-attach" && this.row.node.isConnected) this.drawRow();
      return true;
    });
    renderer.disposed.connect(() => {
      shown.delete(this);
      this.state?.changed.disconnect(this.draw);
      this.mark(undefined);
    });
  }

  private async render(
    model: IRenderMime.IMimeModel,
    render: (model: IRenderMime.IMimeModel) => Promise<void>,
  ): Promise<void> {
    const { data, metadata } = model;
    const { node } = this.renderer;
    const focused = this.row.node.contains(document.activeElement) ? (document.activeElement as HTMLElement) : null;
    // While it is rendered again the row is not there; nothing below moves.
    node.style.minHeight = `${node.offsetHeight}px`;
    // Also what a trusted notebook shows is a model's text.
    await render({ data, metadata, trusted: false, setData: (options) => model.setData(options) });
    this.facts = readFacts(data[PAGE_TYPE]);
    this.compared = readCompared(data[PAGE_TYPE]);
    this.text = readAnswer(data, metadata);
    this.code = findPython(this.text);
    this.otherQuestion = readOtherQuestion(metadata);
    markRemark(node, this.facts?.staleRemark ?? "");
    node.append(this.row.node, this.row.question);
    this.drawRow();
    node.style.minHeight = "";
    this.focusAgain(focused);
  }

  /** Give the keyboard its place back, or the first button where that one is gone: of answers one was kept. */
  private focusAgain(focused: HTMLElement | null): void {
    const [first] = [...this.row.node.querySelectorAll("button")].filter((each) => each.offsetParent !== null);
    (focused?.offsetParent === null ? first : focused)?.focus({ preventScroll: true });
  }

  get cell(): Cell | undefined {
    return this.place?.cell;
  }

  private get place(): Place | null {
    const { node } = this.renderer;
    if (!this.known?.cell.node.contains(node)) this.known = findPlace(this.notebooks, node);
    return this.known;
  }

  private drawRow(): void {
    const { facts, text, code, otherQuestion, place } = this;
    if (place !== null && this.state === null) {
      this.state = getState(place.panel);
      this.state.changed.connect(this.draw);
    }
    const turn = facts?.turn ?? "";
    const isStale = this.stale.some(({ turns }) => turns.get(turn) === place?.cell.model.id);
    const staleBelow = this.staleBelow.length;
    this.mark(isStale ? place?.cell : undefined);
    // An output widget shows what it was given, and would not follow.
    const changeable = (this.state?.isKnown ?? false) && !this.renderer.node.closest(".jupyter-widgets");
    this.row.draw({ facts, text, code, otherQuestion, number: this.findNumber(turn), changeable, isStale, staleBelow });
    this.choice.draw(this.compared, changeable);
    this.renderer.node.classList.toggle("cnai-followed", !!this.state?.current);
  }

  /** Mark the cell as stale, or none. */
  private mark(cell: Cell | undefined): void {
    if (this.marked !== cell) this.marked?.removeClass(STALE);
    this.marked = cell;
    cell?.addClass(STALE);
  }

  private get stale(): readonly { above: string; turns: ReadonlyMap<string, string> }[] {
    const { facts, state } = this;
    return state?.current?.stale.filter(({ conversation }) => conversation === facts?.conversation) ?? [];
  }

  /** The number of the turn, where the footer says another one. */
  private findNumber(turn: string): number | undefined {
    const { facts, state } = this;
    return state?.current?.renumbered.find(({ conversation }) => conversation === facts?.conversation)?.turns.get(turn);
  }

  /** The cells of the stale answers right below this one. */
  private get staleBelow(): string[] {
    const found = this.stale.filter(({ above }) => above === this.facts?.turn);
    return found.flatMap(({ turns }) => [...new Set(turns.values())]);
  }

  private async keep(wanted: string): Promise<void> {
    const { facts, place } = this;
    if (facts === null || place === null) return;
    const { conversation, turn } = facts;
    const cell = place.cell.model.id;
    await changeKernel(place.panel, { do: "keep", conversation, turn, answer: wanted, cell });
  }

  private async keepCompared(number: number): Promise<void> {
    const { compared, place } = this;
    if (compared === null || place === null) return;
    const { panel, cell } = place;
    const kept = await changeKernel(panel, { do: "keep_compared", compared: compared.id, number, cell: cell.model.id });
    // What takes the place of all of them may be far above where they ended.
    if (kept) await panel.content.scrollToItem(panel.content.widgets.indexOf(cell), "smart");
  }

  private async askComparedAgain(): Promise<void> {
    const { compared, place } = this;
    if (compared === null || place === null) return;
    await changeKernel(place.panel, { do: "retry_compared", compared: compared.id, cell: place.cell.model.id });
  }

  insertCode(): void {
    const { place, code } = this;
    if (place === null || !code) return;
    const { panel, cell } = place;
    const index = panel.content.widgets.indexOf(cell);
    panel.content.model?.sharedModel.insertCell(index + 1, { cell_type: "code", source: code, metadata: {} });
    const inserted = panel.content.widgets[index + 1];
    if (inserted) void goTo(panel, inserted);
  }

  private run(ids: readonly string[]): void {
    const panel = this.place?.panel;
    if (panel) runQuestions(panel, ids);
  }
}

/** Run cells in their order. Questions only: an output that somebody made may say of any cell that it asked one. */
export function runQuestions({ content, sessionContext }: NotebookPanel, ids: readonly string[]): void {
  const wanted = new Set(ids.filter(isId));
  const cells = content.widgets.filter(({ model }) => {
    return wanted.has(model.id) && model.type === "code" && isQuestion(model.sharedModel.getSource());
  });
  void NotebookActions.runCells(content, cells, sessionContext);
}

/** Set apart what the footer, which is the last of an answer, says of stale answers: the row says it as it is now. */
function markRemark(node: HTMLElement, remark: string): void {
  if (!remark) return;
  const said = ` · ${remark}`;
  // A sign of dollars is an element of its own: the text goes on behind it.
  const texts = [...([...node.querySelectorAll("small")].pop()?.childNodes ?? [])];
  const footer = texts.reverse().find((each): each is Text => each instanceof Text && each.data.includes(said));
  if (footer === undefined) return;
  const found = footer.splitText(footer.data.lastIndexOf(said));
  found.splitText(said.length);
  const apart = make("span", "cnai-remark");
  found.replaceWith(apart);
  apart.append(found);
}
