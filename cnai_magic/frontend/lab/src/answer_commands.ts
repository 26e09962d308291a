/** What the row below an answer offers, as commands for the active cell: in the palette, and by key. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette } from "@jupyterlab/apputils";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";

import { findAnswer, runQuestions, type ShownAnswer } from "./answer";
import { getState } from "./notebook_state";
import { chooseWords } from "./words";

export const answerCommands: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:answer-commands",
  description: "Does by command what the row below an answer offers.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette, ITranslator],
  activate: (
    { commands },
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    translator: ITranslator | null,
  ) => {
    const words = chooseWords(translator);
    const category = (translator ?? nullTranslator).load("jupyterlab").__("Notebook Cell Operations");
    const add = (name: string, label: string, isOffered: () => boolean, execute: () => void): void => {
      const command = `cnai-magic:${name}`;
      commands.addCommand(command, { label: words(label), isEnabled: isOffered, isVisible: isOffered, execute });
      palette?.addItem({ command, category });
    };
    const find = (): ShownAnswer | undefined => {
      const cell = notebooks.activeCell;
      return cell ? findAnswer(cell) : undefined;
    };
    const addForAnswer = (
      name: string,
      label: string,
      isOffered: (answer: ShownAnswer) => boolean,
      execute: (answer: ShownAnswer) => unknown,
    ): void => {
      const has = (): boolean => {
        const answer = find();
        return answer !== undefined && isOffered(answer);
      };
      add(name, label, has, () => void (has() && execute(find()!)));
    };
    addForAnswer("copy-answer", "Copy Answer", ({ row }) => row.hasText, ({ row }) => row.copyAnswer());
    addForAnswer("code-to-cell", "Put Code of Answer into New Cell", ({ row }) => row.hasCode, (each) => each.insertCode());
    for (const [name, label, by] of [
      ["former-attempt", "Show Former Attempt", -1],
      ["later-attempt", "Show Later Attempt", 1],
    ] as const) {
      addForAnswer(name, label, ({ row }) => row.findAttempt(by) !== undefined, ({ row }) => row.step(by));
    }
    const stale = (): string[] => (notebooks.currentWidget ? listStaleFrom(notebooks.currentWidget) : []);
    add("run-stale", "Run Stale Answers from Here On", () => stale().length > 0, () => {
      if (notebooks.currentWidget) runQuestions(notebooks.currentWidget, stale());
    });
  },
};

/** The cells with stale answers, of all conversations, from the active one on. */
function listStaleFrom(panel: NotebookPanel): string[] {
  const stale = getState(panel).current?.stale.flatMap(({ turns }) => [...turns.values()]) ?? [];
  const { activeCellIndex, widgets } = panel.content;
  const here = new Set(widgets.slice(Math.max(0, activeCellIndex)).map(({ model }) => model.id));
  return stale.filter((each) => here.has(each));
}
