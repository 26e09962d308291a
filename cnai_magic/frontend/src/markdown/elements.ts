/** The elements of blocks and texts, as the notebook makes them for the final Markdown, without any HTML. */

import { offerCopy } from "../copy";
import { make } from "../nodes";
import type { Block } from "./block_starts";
import { unescapeTarget } from "./entities";
import { parseInline } from "./inline";
import type { Inline } from "./inline_nodes";

const LINES_PER_GROUP = 32;

export interface Mount {
  block: Block | null;
  element: HTMLElement;
  host: HTMLElement;
  children: Block[];
  inline: Inline[];
  lines: string[];
  /** The child of the host that its blocks stand before. */
  before: Node | null;
}

/** Whether one block's element can serve another. */
export function canReuse(former: Block, next: Block): boolean {
  if (!["quote", "list", "item", "paragraph", "heading", "code", "maths"].includes(next.kind)) return false;
  const levels = next.kind === "item" || former.level === next.level;
  return former.kind === next.kind && levels && former.ordered === next.ordered && former.info === next.info;
}

/** Nodes for a block; its content goes into `host`, which is within `element`. */
export function mount(outer: HTMLElement, host = outer, before: Node | null = null): Mount {
  return { block: null, element: outer, host, children: [], inline: [], lines: [], before };
}

export function makeMount(block: Block, parent: Block): Mount {
  switch (block.kind) {
    case "quote":
      return mount(make("blockquote"));
    case "list": {
      if (!block.ordered) return mount(make("ul"));
      const list = make("ol");
      if (block.level !== 1) list.start = block.level;
      return mount(list);
    }
    case "item":
      return mount(make("li"));
    case "heading":
      return mount(make(`h${block.level}` as "h1"));
    case "rule":
      return mount(make("hr"));
    case "code":
      return makeCode(block);
    case "maths":
      return mount(make("p", "cnai-maths"));
    case "table":
      return makeTable(block);
    case "row":
      return mount(makeRow(block.cells, parent, "td"));
    default:
      return mount(make("p"));
  }
}

function makeTable(block: Block): Mount {
  const outer = makeScrollable(make("div", "cnai-table"), "Table");
  const inner = make("table");
  const head = make("thead");
  const body = make("tbody");
  head.append(makeRow(block.cells, block, "th"));
  inner.append(head, body);
  outer.append(inner);
  return mount(outer, body);
}

function makeRow(cells: string[], parent: Block, name: "td" | "th"): HTMLElement {
  const made = make("tr");
  for (let index = 0; index < parent.cells.length; index += 1) {
    const alignment = parent.alignments[index];
    const cell = make(name);
    if (alignment) cell.align = alignment;
    drawInline(cell, [], parseInline(cells[index] ?? ""));
    made.append(cell);
  }
  return made;
}

/** Make a block of code as the notebook renders it; its button lies over the text and takes no space. */
function makeCode(block: Block): Mount {
  const language = unescapeTarget(block.info).split(/\s/)[0]!.slice(0, 40);
  const outer = make("pre", "cnai-code");
  const inner = make("code");
  const own = mount(outer, inner);
  const button = make("button", "cnai-button cnai-copy");
  offerCopy(button, language ? `the ${language} code` : "the code", () => listShownLines(own.block!).join("\n"));
  outer.append(inner, button);
  return own;
}

/** Let the keyboard reach and scroll what scrolls inside. */
function makeScrollable<Each extends HTMLElement>(each: Each, label: string): Each {
  each.tabIndex = 0;
  each.setAttribute("role", "region");
  each.setAttribute("aria-label", label);
  return each;
}

/** The lines of code that are shown: blank lines at the end of indented code are not part of it. */
export function listShownLines(block: Block): string[] {
  if (block.fence !== "") return block.lines;
  let end = block.lines.length;
  while (end > 0 && block.lines[end - 1]!.trim() === "") end -= 1;
  return block.lines.slice(0, end);
}

/** Draw lines as text nodes, in groups: a long program is laid out group by group. */
export function drawLines(own: Mount, lines: string[]): void {
  const { host } = own;
  let same = own.lines.length;
  while (same > 0 && (same > lines.length || own.lines[same - 1] !== lines[same - 1])) {
    same -= 1;
    const group = host.lastElementChild!;
    group.lastChild!.remove();
    if (group.firstChild === null) group.remove();
  }
  own.lines.length = same;
  for (const line of lines.slice(same)) {
    if (own.lines.length % LINES_PER_GROUP === 0) host.append(make("span", "cnai-lines"));
    host.lastElementChild!.append(document.createTextNode(`${line}\n`));
    own.lines.push(line);
  }
}

/** Make a host's nodes those of `after`, keeping as many of `before` as are the same. */
export function drawInline(host: HTMLElement, before: Inline[], after: Inline[]): void {
  let index = 0;
  for (; index < Math.min(before.length, after.length); index += 1) {
    if (!updateInPlace(host.childNodes[index]!, before[index]!, after[index]!)) break;
  }
  while (host.childNodes.length > index) host.lastChild!.remove();
  for (const node of after.slice(index)) host.append(makeInline(node));
}

/** Turn a node into the next, where that can be done in place. */
function updateInPlace(node: ChildNode, before: Inline, after: Inline): boolean {
  if (before.kind !== after.kind) return false;
  if ("text" in before && "text" in after) {
    if (before.text !== after.text) {
      if (node instanceof Text) node.data = after.text;
      else node.textContent = after.text;
    }
    return true;
  }
  if (before.kind === "box" && after.kind === "box") return before.checked === after.checked;
  if (before.kind === "link" && after.kind === "link" && before.href !== after.href) return false;
  if ("children" in before && "children" in after) drawInline(node as HTMLElement, before.children, after.children);
  return true;
}

function makeInline(node: Inline): Node {
  switch (node.kind) {
    case "text":
      return document.createTextNode(node.text);
    case "break":
      return make("br");
    case "code": {
      const made = make("code");
      made.textContent = node.text;
      return made;
    }
    case "box": {
      const made = make("input");
      made.type = "checkbox";
      made.disabled = true;
      // The attribute, as the notebook's renderer writes it.
      made.toggleAttribute("checked", node.checked);
      return made;
    }
    case "maths": {
      const made = make("span", "cnai-maths");
      made.textContent = node.text;
      return made;
    }
    case "link": {
      const made = make("a");
      made.href = node.href;
      made.target = "_blank";
      made.rel = "noopener noreferrer";
      drawInline(made, [], node.children);
      return made;
    }
    default: {
      const made = make(node.kind);
      drawInline(made, [], node.children);
      return made;
    }
  }
}
