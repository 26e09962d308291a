/** Cells that begin with `%%cnai` look like prompts, from the moment that their first line says so. */

import type { JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { CodeEditor } from "@jupyterlab/codeeditor";
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from "@jupyterlab/codemirror";
import { Compartment, type Extension } from "@codemirror/state";
import { type EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";

import { loadPromptLanguage } from "./prompt_language";
import { endOfHead } from "./prompt_text";

export const promptCells: JupyterFrontEndPlugin<void> = {
  id: "cnai-magic:prompt-cells",
  description: "Shows the text of prompt cells as Markdown.",
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry],
  activate: (_app, extensions: IEditorExtensionRegistry, languages: IEditorLanguageRegistry) => {
    let loading: Promise<Extension> | undefined;
    // A language that cannot be loaded is JupyterLab's to report: the cell then looks as it did.
    const load = (): Promise<Extension> => (loading ??= loadPromptLanguage(languages).catch(() => []));
    extensions.addExtension({
      name: "cnai-magic:prompt-cells",
      factory: ({ model }) =>
        isCode(model) ? EditorExtensionRegistry.createImmutableExtension(followPrompt(load)) : null,
    });
  },
};

/** Cells of code only: Markdown, raw cells and files are not looked at. */
function isCode(model: CodeEditor.IModel): boolean {
  return (model as { type?: string }).type === "code";
}

/** Give an editor the language of prompts while its text is one. */
function followPrompt(load: () => Promise<Extension>): Extension {
  const language = new Compartment();
  let prompt = false;
  // Within an update nothing may be changed: it is done right after, before the page is drawn.
  const follow = (view: EditorView): void => {
    if (endOfHead(view.state.doc.iterLines()) > 0 === prompt) return;
    prompt = !prompt;
    const wanted = prompt;
    void (wanted ? load() : Promise.resolve([])).then((extension) => {
      if (prompt === wanted) view.dispatch({ effects: language.reconfigure(extension) });
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
  return [language.of([]), watch];
}
