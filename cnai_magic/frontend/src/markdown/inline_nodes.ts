/** The nodes of a text, and the list in which they are put together. */

export type Inline =
  | { kind: "text" | "code" | "maths"; text: string }
  | { kind: "break" }
  | { kind: "box"; checked: boolean }
  | { kind: "em" | "strong" | "del"; children: Inline[] }
  | { kind: "link"; href: string; children: Inline[] };

/** A node in the list that is being parsed. */
export interface Item {
  node: Inline;
  previous: Item | null;
  next: Item | null;
}
// Deeper nesting is text: no answer means it, and it costs time.
const DEEPEST = 24;

/** The text that a reader sees, for a label. */
export function joinText(nodes: Inline[]): string {
  return nodes
    .map((node) => {
      if ("text" in node) return node.text;
      return "children" in node ? joinText(node.children) : " ";
    })
    .join("");
}

/** The nodes from an item on, with neighbouring texts as one. */
export function gather(item: Item | null): Inline[] {
  const nodes: Inline[] = [];
  for (let each = item; each !== null; each = each.next) {
    const previous = nodes[nodes.length - 1];
    if (each.node.kind !== "text") nodes.push(each.node);
    else if (previous?.kind === "text") nodes[nodes.length - 1] = { kind: "text", text: previous.text + each.node.text };
    else if (each.node.text) nodes.push(each.node);
  }
  return nodes;
}

const depths = new WeakMap<Inline, number>();

function measureDepth(nodes: Inline[]): number {
  let deepest = 0;
  for (const node of nodes) {
    if (!("children" in node)) continue;
    let own = depths.get(node);
    if (own === undefined) depths.set(node, (own = 1 + measureDepth(node.children)));
    deepest = Math.max(deepest, own);
  }
  return deepest;
}

/** Nodes that are nested too deep, as their text. */
export function limitDepth(children: Inline[]): Inline[] {
  return measureDepth(children) > DEEPEST ? [{ kind: "text", text: joinText(children) }] : children;
}
