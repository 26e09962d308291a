/** How a prompt is coloured: JupyterLab's own Markdown, the first lines as magics, expressions as its Python. */

import { Language } from "@codemirror/language";
import { type Extension, Prec } from "@codemirror/state";
import { Decoration, EditorView, MatchDecorator, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import { type IEditorLanguageRegistry, jupyterHighlightStyle } from "@jupyterlab/codemirror";
import type { Parser } from "@lezer/common";
import { highlightTree, tags } from "@lezer/highlight";
import type { BlockContext, Element, InlineContext, Line, MarkdownConfig, MarkdownParser } from "@lezer/markdown";

import { endOfHead, expressionPattern, isRaw } from "./prompt_text";

/** What an editor with a prompt gets, before all that it has. Loads the languages, which JupyterLab does on demand. */
export async function loadPromptLanguage(languages: IEditorLanguageRegistry): Promise<Extension> {
  const [markdown, python] = await Promise.all(
    ["text/x-ipythongfm", "text/x-python"].map(async (mime) => (await languages.getLanguage(mime))?.support?.language),
  );
  if (!markdown) return [];
  const parser = (markdown.parser as MarkdownParser).configure(PROMPT);
  return [
    Prec.highest(new Language(markdown.data, parser, [], "cnai").extension),
    python ? markExpressions(python.parser) : [],
    EditorView.baseTheme({ ".cnai-expression": LOOK }),
    // Prose has long lines: JupyterLab wraps those of Markdown cells.
    EditorView.lineWrapping,
  ];
}

// Two things in a prompt are no Markdown: its head (the line of `%%cnai`, magics above it), and expressions.
const PROMPT: MarkdownConfig = {
  defineNodes: [
    // Its options are text: JupyterLab's colour of what is meta can hardly be read in its dark theme.
    { name: "CnaiHead", block: true },
    { name: "CnaiMagic", style: tags.keyword },
    { name: "CnaiExpression" },
  ],
  parseBlock: [{ name: "CnaiHead", before: "IndentedCode", parse: parseHead }],
  parseInline: [{ name: "CnaiExpression", before: "Escape", parse: parseExpression }],
};

function parseHead(context: BlockContext, line: Line): boolean {
  if (context.lineStart !== 0) return false;
  const magics: Element[] = [];
  let end = 0;
  for (;;) {
    const magic = /^[ \t]*(%%\w*)/.exec(line.text);
    end = context.lineStart + line.text.length;
    if (magic) {
      const to = context.lineStart + magic[0].length;
      magics.push(context.elt("CnaiMagic", to - magic[1]!.length, to));
    }
    const last = magic?.[1] === "%%cnai";
    if (!context.nextLine() || last) break;
  }
  context.addElement(context.elt("CnaiHead", 0, end, magics));
  return true;
}

const BRACE = "{".charCodeAt(0);

function parseExpression(context: InlineContext, next: number, position: number): number {
  if (next !== BRACE) return -1;
  const pattern = expressionPattern("y");
  pattern.lastIndex = position - context.offset;
  const match = pattern.exec(context.text);
  return match ? context.addElement(context.elt("CnaiExpression", position, position + match[0].length)) : -1;
}

const LOOK = { background: "color-mix(in srgb, var(--jp-brand-color1) 12%, transparent)", borderRadius: "2px" };

function markExpressions(python: Parser): Extension {
  const expression = Decoration.mark({ class: "cnai-expression" });
  const marker = new MatchDecorator({
    regexp: expressionPattern("g"),
    decorate: (add, from, to, match, view) => {
      if (from < endOfHead(view.state.doc.iterLines())) return;
      add(from, to, expression);
      highlightTree(python.parse(match[1]!), jupyterHighlightStyle, (start, end, style) => {
        add(from + 2 + start, from + 2 + end, Decoration.mark({ class: style }));
      });
    },
  });
  const head = ({ state }: EditorView): string => state.sliceDoc(0, endOfHead(state.doc.iterLines()));
  return ViewPlugin.define(
    (view) => {
      let before = head(view);
      const plugin = {
        decorations: isRaw(before) ? Decoration.none : marker.createDeco(view),
        update(update: ViewUpdate): void {
          const now = head(update.view);
          if (isRaw(now)) plugin.decorations = Decoration.none;
          else if (isRaw(before)) plugin.decorations = marker.createDeco(update.view);
          else plugin.decorations = marker.updateDeco(update, plugin.decorations);
          before = now;
        },
      };
      return plugin;
    },
    { decorations: (plugin) => plugin.decorations },
  );
}
