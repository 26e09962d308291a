/** The status bar: the model in use, the conversation, what the notebook has spent, and what is left of its budget. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { IStatusBar } from "@jupyterlab/statusbar";
import { ITranslator } from "@jupyterlab/translation";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";

import { make, setText } from "../../src/nodes";
import { chooseModel } from "./choose_model";
import { SHOW_CONVERSATIONS } from "./conversations";
import { getState, type NotebookState } from "./notebook_state";
import { addStyle } from "./style";
import { chooseWords, fill, type Words } from "./words";

const css = `
.cnai-status-item { display: flex; align-items: center; min-width: 0; max-width: 40vw; overflow: hidden; }
.cnai-status-item button {
  min-width: 0; height: 100%; margin: 0; padding: 0 4px; border: 0; background: none; overflow: hidden;
  color: inherit; font: inherit; text-overflow: ellipsis; white-space: nowrap; cursor: pointer;
}
.cnai-status-item button:hover { background: var(--jp-layout-color3); }
.cnai-status-item button:focus-visible { outline: 2px solid var(--jp-brand-color1); outline-offset: -2px; }
`;

export const status: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:status",
  description: "Shows the model in use, the conversation and the spend of the notebook.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IStatusBar, ITranslator],
  activate: ({ commands }, notebooks: INotebookTracker, bar: IStatusBar | null, translator: ITranslator | null) => {
    if (bar === null) return;
    addStyle(css);
    const open = (): void => void commands.execute(SHOW_CONVERSATIONS);
    const item = new StatusItem(chooseWords(translator), open);
    const follow = (): void => item.follow(notebooks.currentWidget);
    notebooks.currentChanged.connect(follow);
    follow();
    bar.registerStatusItem("cnai-magic:status", {
      item,
      align: "left",
      rank: 10,
      // Those of priority 0 are hidden in a narrow window.
      priority: 1,
      isActive: () => item.isActive,
      activeStateChanged: item.activeChanged,
    });
  },
};

class StatusItem extends Widget {
  readonly activeChanged = new Signal<this, void>(this);
  private readonly model = make("button");
  private readonly spent = make("button");
  private panel: NotebookPanel | null = null;
  private state: NotebookState | null = null;

  constructor(
    private readonly words: Words,
    open: () => void,
  ) {
    super();
    this.addClass("cnai-status-item");
    this.model.title = words("Model that is asked: press to choose another");
    this.spent.title = words("Conversation in use, what this notebook has spent, and what is left of the budgets");
    this.model.addEventListener("click", () => void (this.panel && chooseModel(this.panel, words)));
    this.spent.addEventListener("click", open);
    for (const each of [this.model, this.spent]) each.type = "button";
    this.node.append(this.model, this.spent);
  }

  get isActive(): boolean {
    return (this.state?.current ?? null) !== null;
  }

  /** Show what concerns this notebook. */
  follow(panel: NotebookPanel | null): void {
    this.state?.changed.disconnect(this.draw, this);
    this.panel = panel;
    this.state = panel && getState(panel);
    this.state?.changed.connect(this.draw, this);
    this.draw();
  }

  private draw(): void {
    const { words } = this;
    const current = this.state?.current;
    if (current) {
      const { model, conversation, spent, left, leftToday, demo } = current;
      const money = spent && (demo ? fill(words("demo credit {spent}"), { spent }) : words(spent));
      setText(this.model, model || words("no model"));
      const facts = [conversation, money, left && fill(words("{left} left"), { left })];
      if (leftToday) facts.push(fill(words("{left} left today"), { left: leftToday }));
      setText(this.spent, facts.filter(Boolean).join(" · "));
    }
    this.activeChanged.emit();
  }
}
