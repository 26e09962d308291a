/**
 * Answers that come while their page is reloaded, closed and opened again, or crashes, land in their cells all the same;
 * so do those of a view of the notebook that is closed while it has another one.
 *
 * A page notes which prompts are running; the next one that opens the notebook takes them up. It shows them as they
 * come, and asks the kernel, which answers when they are over, for what it missed.
 */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { CodeCell } from "@jupyterlab/cells";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage } from "@jupyterlab/services";
import { ITranslator } from "@jupyterlab/translation";

import { asList, asRecord, WIDGET_TYPE } from "./facts";
import { holdPage, type LeftRun, noteRuns, takeRuns } from "./left_runs";
import { findCell, findModel } from "./notebook_cells";
import { getState, type NotebookState } from "./notebook_state";
import { RunningPrompts } from "./running_prompts";
import { addStyle } from "./style";
import { TakenUpRun } from "./taken_up_run";
import { chooseWords, type Words } from "./words";

const css = `
.cnai-coming-line { color: var(--jp-content-font-color2); font-size: var(--jp-content-font-size0, 0.83em); font-variant-numeric: tabular-nums; }
`;

export const resume: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:resume",
  description: "Takes up answers that were coming when the page was left.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (_app, notebooks: INotebookTracker, translator: ITranslator | null) => {
    addStyle(css);
    const words = chooseWords(translator);
    const views = new Set<LeftPage>();
    const follow = (panel: NotebookPanel): void => void views.add(new LeftPage(panel, views, words));
    notebooks.forEach(follow);
    notebooks.widgetAdded.connect((_, panel) => follow(panel));
  },
};

/** One view of a notebook: what it leaves, and what it takes up. */
class LeftPage {
  private readonly running: RunningPrompts;
  private readonly state: NotebookState;
  private taken: TakenUpRun[] = [];
  private left = false;
  private noted: { kernel: string; path: string } | null = null;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly views: Set<LeftPage>,
    private readonly words: Words,
  ) {
    const { context, sessionContext } = panel;
    this.running = new RunningPrompts(context);
    this.state = getState(panel);
    const leave = (): void => {
      this.note(true);
      this.left = true;
    };
    this.running.changed.connect(() => this.note(false));
    window.addEventListener("pagehide", leave);
    panel.content.disposed.connect(() => {
      views.delete(this);
      const [other] = this.listOthers();
      // The kernel goes on where the last view of a notebook is closed.
      if (!other) return leave();
      const shown = this.listRuns().filter(({ message, cell }) => this.shows(message, cell));
      this.left = true;
      void other.adopt(shown);
    });
    panel.disposed.connect(() => window.removeEventListener("pagehide", leave));
    sessionContext.iopubMessage.connect((_, message: KernelMessage.IMessage) => {
      for (const each of this.taken) each.take(message);
    });
    sessionContext.statusChanged.connect((_, status) => {
      if (/restarting|dead|terminating/.test(status)) this.giveUp();
    });
    sessionContext.kernelChanged.connect(() => void this.takeUp());
    void context.ready.then(() => this.takeUp());
  }

  private get kernel(): string {
    return this.panel.sessionContext.session?.kernel?.id ?? "";
  }

  /** The other views of the notebook. */
  private listOthers(): LeftPage[] {
    return Array.from(this.views).filter((each) => each !== this && each.panel.context === this.panel.context);
  }

  /** Note what is running; where others cannot see that this page lives, only when it is left. */
  private note(left: boolean): void {
    const { panel, kernel } = this;
    if (this.left) return;
    const found = this.listRuns();
    if (found.length && !(kernel && this.state.isKnown)) return;
    const { path } = panel.context;
    const { noted } = this;
    // What this page noted of a view that was closed is still to be taken up.
    if (!found.length && !noted) return;
    try {
      if (!left && !holdPage()) return;
      // The notebook may be renamed, and have another kernel.
      if (noted && (noted.kernel !== kernel || noted.path !== path)) noteRuns(noted.kernel, noted.path, [], left);
      noteRuns(kernel, path, found, left);
      this.noted = found.length ? { kernel, path } : null;
    } catch {
      // The browser keeps nothing.
    }
  }

  /** The prompts of the notebook that are running, whichever view shows them. */
  private listRuns(): LeftRun[] {
    const taken = [this, ...this.listOthers()].flatMap((each) => each.taken);
    const found = taken.filter((each) => !each.isOver).map((each) => each.describe());
    const known = new Set(found.map(({ message }) => message));
    for (const [message, { cell, since, count, live }] of this.running.byMessage) {
      if (known.has(message)) continue;
      const outputs = findModel(this.panel, cell)?.outputs.toJSON() ?? [];
      const kept = since ? outputs.filter((each) => !(WIDGET_TYPE in asRecord(each.data))) : [];
      found.push({ message, cell, since, count, outputs: kept, live });
    }
    return found;
  }

  /** Whether what comes of a run goes into the notebook by this view of its cell. */
  private shows(message: string, cell: string): boolean {
    if (this.taken.some((each) => each.message === message)) return true;
    return (findCell(this.panel, cell) as CodeCell | undefined)?.outputArea.future?.msg.header.msg_id === message;
  }

  private async takeUp(): Promise<void> {
    const { panel, kernel } = this;
    if (!kernel || !panel.context.isReady) return;
    await this.adopt(await takeRuns(kernel, panel.context.path).catch(() => []));
  }

  private async adopt(found: readonly LeftRun[]): Promise<void> {
    const { panel } = this;
    const runs = found.filter(({ cell }) => findModel(panel, cell)).map((run) => new TakenUpRun(run, panel, this.words));
    if (!runs.length) return;
    this.taken.push(...runs);
    const completed = this.complete(runs);
    this.note(false);
    await completed;
    this.note(false);
  }

  /** Ask for what the page missed; the kernel answers when the runs are over. */
  private async complete(runs: readonly TakenUpRun[]): Promise<void> {
    this.state.meet();
    const answer = await this.state.ask({ do: "outputs", cells: runs.map(({ cellId }) => cellId) });
    const outputs = asRecord(answer?.content.outputs);
    for (const each of runs) each.complete(asList(outputs[each.cellId]).map(asRecord));
  }

  private giveUp(): void {
    for (const each of this.taken) each.lose();
    this.taken = [];
    this.note(false);
  }
}
