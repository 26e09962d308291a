// Renders Markdown as JupyterLab and as VS Code do, and looks for what no answer may bring to a page.
//
//   node render.mjs FOLDER [--show]
//
// One JSON object a line comes in: `source`, the Markdown, and `pages`, HTML that other renderers made of it.
// One a line goes out: the faults that were found, or with --show the HTML of each renderer. FOLDER holds the
// npm packages, and in `rendermime` JupyterLab's own step that takes maths out of Markdown and puts it back.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import path from "node:path";

const [folder, mode] = process.argv.slice(2);
const require = createRequire(path.resolve(folder, "package.json"));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Marked, Renderer } = await load("marked");
const { gfmHeadingId } = await load("marked-gfm-heading-id");
const { mangle } = await load("marked-mangle");
const { parseFragment } = await load("parse5");
const MarkdownIt = require("markdown-it");
const vscodeMaths = require("@vscode/markdown-it-katex").default;

const latex = readFileSync(path.resolve(folder, "rendermime/lib/latex.js"), "utf8");
globalThis.navigator ??= {};
const { removeMath, replaceMath } = await import(`data:text/javascript,${encodeURIComponent(latex)}`);

const escapeHtml = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// JupyterLab: markedparser-extension sets marked up like this. It draws mermaid, and it writes the language of
// highlighted code into an attribute as it stands.
const renderer = new Renderer();
const plainCode = renderer.code;
renderer.code = (token) => {
  if (token.lang === "mermaid") return "<img>";
  if (token.lang) return `<pre><code class="language-${token.lang}">${escapeHtml(token.text)}</code></pre>`;
  return plainCode.call(renderer, token);
};
const marked = new Marked(gfmHeadingId(), mangle(), { gfm: true, renderer });

function asJupyterLab(source) {
  const { text, math } = removeMath(source);
  return replaceMath(marked.parse(text), math);
}

// VS Code: the renderer of notebooks, and the maths that it adds. What KaTeX draws is not looked at.
const vscode = new MarkdownIt({ html: true, linkify: true });
vscode.linkify.set({ fuzzyLink: false });
vscode.use(vscodeMaths, {
  katex: { renderToString: (tex) => `<span>$${escapeHtml(tex)}$</span>` },
  enableBareBlocks: true,
  enableFencedBlocks: true,
});

const RENDERERS = { jupyterlab: asJupyterLab, vscode: (source) => vscode.render(source) };

// -- what may stand in a page ------------------------------------------------------------------------

const words = (text) => new Set(text.split(" "));
const ELEMENTS = words(
  "a blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr input li ol p pre s small span strong summary table tbody td th thead tr ul",
);
const CLASS = /^[\w+#. -]*$/;
const ALIGNMENT = /^text-align: ?(left|right|center);?$/;
const ATTRIBUTES = {
  class: (value) => CLASS.test(value),
  href: (value, name) => name === "a" && /^(https?:\/\/[^/]|mailto:|#)/i.test(value),
  title: (value, name) => name === "a",
  id: (value, name) => /^h[1-6]$/.test(name),
  align: (value) => /^(left|right|center)$/.test(value),
  style: (value, name) => (/^t[dh]$/.test(name) ? ALIGNMENT.test(value) : name === "pre" && value === "line-height: 125%;"),
  start: (value, name) => name === "ol" && /^\d+$/.test(value),
  type: (value, name) => name === "input" && value === "checkbox",
  checked: (value, name) => name === "input",
  disabled: (value, name) => name === "input",
  open: (value, name) => name === "details",
};

// What MathJax and KaTeX offer beyond formulas.
const COMMAND =
  /\\(href|url|html[A-Za-z]*|class|style|cssId|data|includegraphics|unicode|bbox|require|[egx]?def|let|(re)?newcommand|newenvironment|csname|toggle|mmlToken|enclose)(?![A-Za-z])/;
const UNTOUCHED = words("code pre script style textarea noscript annotation");

function* faultsIn(html, maths) {
  const strings = [""];
  const visit = function* (node) {
    for (const child of node.childNodes ?? []) {
      if (child.nodeName === "#text") strings[strings.length - 1] += child.value;
      else if (child.nodeName === "br") strings[strings.length - 1] += "\n";
      else if (child.nodeName === "#comment" && child.data.startsWith(" cnai:")) continue;
      else if (child.nodeName.startsWith("#")) yield child.nodeName;
      else {
        if (!ELEMENTS.has(child.nodeName)) yield `<${child.nodeName}>`;
        for (const { name, value } of child.attrs)
          if (!ATTRIBUTES[name]?.(value, child.nodeName)) yield `<${child.nodeName} ${name}=${JSON.stringify(value)}>`;
        if (UNTOUCHED.has(child.nodeName) && maths) {
          const kept = strings.push("");
          yield* visit(child);
          strings.length = kept;
          strings[kept - 1] = "";
        } else {
          strings.push("");
          yield* visit(child);
          strings.push("");
        }
      }
    }
  };
  yield* visit(parseFragment(html));
  if (maths) for (const each of strings) for (const tex of formulas(each)) if (COMMAND.test(tex.replace(/\\\\/g, "\n"))) yield `maths: ${tex}`;
}

/** Yield what MathJax finds in a piece of text, whose delimiters are dollar signs, brackets and environments. */
function* formulas(text) {
  const opening = /\\\$|\$\$?|\\[([]|\\begin\{([^}]*)\}/g;
  for (let match; (match = opening.exec(text)); ) {
    if (match[0] === "\\$") continue;
    const closing = { "\\(": "\\)", "\\[": "\\]" }[match[0]] ?? (match[0][0] === "$" ? match[0] : `\\end{${match[1]}}`);
    const end = text.indexOf(closing, opening.lastIndex);
    if (end < 0) continue;
    yield text.slice(opening.lastIndex, end);
    opening.lastIndex = end + closing.length;
  }
}

// -- one document a line -----------------------------------------------------------------------------

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { source, pages } = JSON.parse(line);
  const faults = [];
  for (const [name, render] of Object.entries(RENDERERS)) {
    try {
      pages[name] = render(source);
    } catch (error) {
      faults.push(`${name}: ${error}`);
    }
  }
  for (const [name, html] of Object.entries(pages))
    for (const fault of faultsIn(html, name !== "vscode")) faults.push(`${name}: ${fault}`);
  process.stdout.write(JSON.stringify(mode === "--show" ? pages : faults) + "\n");
}
