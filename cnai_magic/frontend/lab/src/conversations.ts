/** The side panel: the conversations of the notebook with their turns. It is added once a kernel has the magics. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { ITranslator } from "@jupyterlab/translation";

import { getState } from "./notebook_state";
import { OutlinePanel } from "./outline_panel";
import { outlineCss } from "./outline_style";
import { addStyle } from "./style";
import { chooseWords } from "./words";

export const SHOW_CONVERSATIONS = "cnai-magic:show-conversations";

export const conversations: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:conversations",
  description: "Shows the conversations of a notebook with their turns.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    addStyle(outlineCss);
    const words = chooseWords(translator);
    const outline = new OutlinePanel(words);
    const isOffered = (): boolean => !!notebooks.currentWidget && getState(notebooks.currentWidget).isKnown;
    app.commands.addCommand(SHOW_CONVERSATIONS, {
      label: words("Show Conversations"),
      isVisible: isOffered,
      isEnabled: isOffered,
      execute: () => app.shell.activateById(outline.id),
    });
    const add = (): void => {
      if (outline.isAttached || !isOffered()) return;
      app.shell.add(outline, "left", { rank: 450 });
      palette?.addItem({ command: SHOW_CONVERSATIONS, category: words("Notebook Operations") });
    };
    const follow = (panel: NotebookPanel): void => {
      getState(panel).changed.connect(add);
    };
    notebooks.forEach(follow);
    notebooks.widgetAdded.connect((_, panel) => follow(panel));
    notebooks.currentChanged.connect((_, panel) => {
      outline.follow(panel);
      add();
    });
    outline.follow(notebooks.currentWidget);
  },
};
