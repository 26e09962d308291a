/**
 * Answers that come while their page is reloaded, or closed and opened again, land in their cells all the same.
 *
 * The page that is left notes which prompts were running; the next one that opens the notebook takes them up. It shows
 * what it sees of them, and asks the kernel, which answers when they are over, for what it missed.
 */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage } from "@jupyterlab/services";
import { ITranslator } from "@jupyterlab/translation";

import { asList, asRecord, asText, WIDGET_TYPE } from "./facts";
import { type LeftRun, leaveRuns, takeRuns } from "./left_runs";
import { findModel } from "./notebook_cells";
import { getState, type NotebookState } from "./notebook_state";
import { RunningPrompts } from "./running_prompts";
import { addStyle } from "./style";
import { TakenUpRun } from "./taken_up_run";
import { chooseWords, type Words } from "./words";

const css = `
.cnai-coming { margin-inline-start: var(--jp-cell-prompt-width, 64px); padding: var(--jp-code-padding, 5px); color: var(--jp-content-font-color1); }
.cnai-coming-text { white-space: pre-wrap; overflow-wrap: anywhere; }
.cnai-coming-line { color: var(--jp-content-font-color2); font-size: smaller; font-variant-numeric: tabular-nums; }
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
  private taken = new Map<string, TakenUpRun>();

  constructor(
    private readonly panel: NotebookPanel,
    notebooks: INotebookTracker,
    private readonly words: Words,
  ) {
    const { context, sessionContext } = panel;
    this.running = new RunningPrompts(context);
    this.state = getState(panel);
    const leave = (): void => this.leave();
    window.addEventListener("pagehide", leave);
    panel.content.disposed.connect(() => {
      // The kernel goes on where the last view of a notebook is closed.
      if (!notebooks.find((each) => each !== panel && each.context === context)) leave();
    });
    panel.disposed.connect(() => window.removeEventListener("pagehide", leave));
    sessionContext.iopubMessage.connect((_, message) => this.read(message));
    sessionContext.statusChanged.connect((_, status) => {
      if (/restarting|dead|terminating/.test(status)) this.giveUp();
    });
    sessionContext.kernelChanged.connect(() => this.takeUp());
    void context.ready.then(() => this.takeUp());
  }

  private get kernel(): string {
    return this.panel.sessionContext.session?.kernel?.id ?? "";
  }

  private leave(): void {
    const { panel, kernel } = this;
    const found: LeftRun[] = [...this.taken.values()].filter((each) => !each.isOver).map(({ run }) => run);
    for (const [message, { cell, since, count }] of this.running.byMessage) {
      const outputs = findModel(panel, cell)?.outputs.toJSON() ?? [];
      const kept = since ? outputs.filter((each) => !(WIDGET_TYPE in asRecord(each.data))) : [];
      found.push({ message, cell, since, count, outputs: kept });
    }
    if (!found.length || !kernel || !this.state.isKnown) return;
    try {
      leaveRuns(kernel, panel.context.path, found);
    } catch {
      // The browser keeps nothing.
    }
  }

  private takeUp(): void {
    const { panel, kernel } = this;
    if (!kernel || !panel.context.isReady) return;
    const runs = takeRuns(kernel, panel.context.path).filter(({ cell }) => findModel(panel, cell));
    if (!runs.length) return;
    for (const run of runs) this.taken.set(run.message, new TakenUpRun(run, panel, this.words));
    void this.complete([...this.taken.values()]);
  }

  private read(message: KernelMessage.IMessage): void {
    this.taken.get(asText(asRecord(message.parent_header).msg_id))?.take(message);
  }

  /** Ask for what the page missed; the kernel answers when the runs are over. */
  private async complete(runs: readonly TakenUpRun[]): Promise<void> {
    this.state.meet();
    const answer = await this.state.ask({ do: "outputs", cells: runs.map(({ run }) => run.cell) });
    const outputs = asRecord(answer?.content.outputs);
    for (const each of runs) each.complete(asList(outputs[each.run.cell]).map(asRecord));
  }

  private giveUp(): void {
    for (const each of this.taken.values()) each.complete([]);
    this.taken = new Map();
  }
}
