/** Cells that begin with `%%cnai` look like prompts, from the moment that their first line says so. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { CodeEditor } from "@jupyterlab/codeeditor";
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from "@jupyterlab/codemirror";
import { Compartment, type Extension } from "@codemirror/state";
import { type EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";

import { loadPromptLanguage } from "./prompt_language";
import { endOfHead, MOST_LINES } from "./prompt_text";

export const promptCells: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:prompt-cells",
  description: "Shows the text of prompt cells as Markdown.",
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry],
  activate: (_app, extensions: IEditorExtensionRegistry, languages: IEditorLanguageRegistry) => {
    const language = new PromptLanguage(languages);
    extensions.addExtension({
      name: "cnai-magic:prompt-cells",
      factory: ({ model }) =>
        isCode(model) ? EditorExtensionRegistry.createImmutableExtension(followPrompt(model, language)) : null,
    });
  },
};

/** The language of prompts, loaded when the first one is shown. */
class PromptLanguage {
  /** What an editor with a prompt gets; null until it is loaded. */
  extension: Extension | null = null;
  private loading: Promise<Extension> | undefined;

  constructor(private readonly languages: IEditorLanguageRegistry) {}

  /** A language that cannot be loaded is JupyterLab's to report: the cell then looks as it did. */
  load(): Promise<Extension> {
    return (this.loading ??= loadPromptLanguage(this.languages)
      .catch(() => [])
      .then((extension) => (this.extension = extension)));
  }
}

/** Cells of code only: Markdown, raw cells and files are not looked at. */
function isCode(model: CodeEditor.IModel): boolean {
  return (model as { type?: string }).type === "code";
}

/**
 * Give an editor the language of prompts while its text is one. An editor that is made with it need not change:
 * each change makes the browser lay out the page anew.
 */
function followPrompt(model: CodeEditor.IModel, language: PromptLanguage): Extension {
  const compartment = new Compartment();
  const { extension } = language;
  let prompt = extension !== null && endOfHead(model.sharedModel.getSource().split("\n", MOST_LINES)) > 0;
  const initial = prompt && extension ? extension : [];
  // Within an update nothing may be changed: it is done right after, before the page is drawn.
  const follow = (view: EditorView): void => {
    if (endOfHead(view.state.doc.iterLines()) > 0 === prompt) return;
    prompt = !prompt;
    const wanted = prompt;
    void (wanted ? language.load() : Promise.resolve([])).then((loaded) => {
      if (prompt === wanted) view.dispatch({ effects: compartment.reconfigure(loaded) });
    });
  };
  const watch = ViewPlugin.define((view) => {
    follow(view);
    return {
      update: ({ docChanged }: ViewUpdate) => {
        if (docChanged) follow(view);
      },
    };
  });
  return [compartment.of(initial), watch];
}
