/**
 * Answers that come while their page is reloaded, closed and opened again, or crashes, land in their cells all the same.
 *
 * A page notes which prompts are running; the next one that opens the notebook takes them up. It shows them as they
 * come, and asks the kernel, which answers when they are over, for what it missed.
 */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage } from "@jupyterlab/services";
import { ITranslator } from "@jupyterlab/translation";

import { asList, asRecord, WIDGET_TYPE } from "./facts";
import { holdPage, type LeftRun, noteRuns, takeRuns } from "./left_runs";
import { findModel } from "./notebook_cells";
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
    const follow = (panel: NotebookPanel): void => void new LeftPage(panel, notebooks, words);
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
    notebooks: INotebookTracker,
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
      // The kernel goes on where the last view of a notebook is closed.
      if (!notebooks.find((each) => each !== panel && each.context === context)) leave();
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

  /** Note what is running; where others cannot see that this page lives, only when it is left. */
  private note(left: boolean): void {
    const { panel, kernel } = this;
    if (this.left) return;
    const found: LeftRun[] = this.taken.filter((each) => !each.isOver).map((each) => each.describe());
    for (const [message, { cell, since, count, live }] of this.running.byMessage) {
      const outputs = findModel(panel, cell)?.outputs.toJSON() ?? [];
      const kept = since ? outputs.filter((each) => !(WIDGET_TYPE in asRecord(each.data))) : [];
      found.push({ message, cell, since, count, outputs: kept, live });
    }
    if (found.length && !(kernel && this.state.isKnown)) return;
    const { path } = panel.context;
    const { noted } = this;
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

  private async takeUp(): Promise<void> {
    const { panel, kernel } = this;
    if (!kernel || !panel.context.isReady) return;
    const found = await takeRuns(kernel, panel.context.path).catch(() => []);
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
