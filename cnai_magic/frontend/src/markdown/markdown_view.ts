/** An answer's Markdown as nodes of the page, each block drawn again only when it changed. */

import type { Block } from "./block_starts";
import { BlockParser } from "./blocks";
import { canReuse, drawInline, drawLines, listShownLines, type Mount, makeMount, mount } from "./elements";
import type { GrowingText } from "./growing_text";
import { parseInline, parseLead } from "./inline";
import { JsonText } from "./json_text";
import { type Typeset, TypesetQueue } from "./maths";
import { readDefinitions } from "./references";

// A drawing that is behind, as in a view opened late, catches up over several frames.
const PIECE = 2048;
const BUDGET = 6;

export interface MarkdownOptions {
  /** The child of the host that all blocks stand before. */
  before?: Node;
  typeset?: Typeset | null;
  /** Show a text that is nothing but JSON as code. */
  asJson?: boolean;
}

export class MarkdownView {
  private parser = new BlockParser();
  private mounts = new Map<Block, Mount>();
  private readonly drawn = new Set<Block>();
  private edition: number;
  private piece = 0;
  private offset = 0;
  private finished = false;
  private readonly before: Node | null;
  private readonly asJson: boolean;
  private readonly typesetting: TypesetQueue | null;
  private formulas = new Set<HTMLElement>();
  /** The blocks that use a label which is not defined yet. */
  private wanted = new Map<string, Set<Block>>();
  private references = new Map<string, string>();
  private defined: [string, string][] = [];
  /** What may be nothing but JSON is shown as code, until it turns out to be something else. */
  private json: JsonText | null = null;

  constructor(
    private readonly source: GrowingText,
    private readonly host: HTMLElement,
    { before, typeset, asJson }: MarkdownOptions = {},
  ) {
    this.asJson = asJson ?? false;
    this.before = before ?? null;
    this.typesetting = typeset ? new TypesetQueue(typeset) : null;
    this.edition = source.edition;
    this.begin();
  }

  /** Draw what came since, until a time at which there is enough for a frame; returns whether more is left. */
  draw(over: boolean, deadline = performance.now() + BUDGET): boolean {
    if (this.edition !== this.source.edition) {
      this.edition = this.source.edition;
      this.begin();
    }
    const { pieces } = this.source;
    // More came after what was taken for the end.
    if (this.finished && this.piece < pieces.length) this.begin();
    while (this.piece < pieces.length) {
      const piece = pieces[this.piece]!;
      const part = piece.slice(this.offset, this.offset + PIECE);
      if (this.json !== null && !this.goesOnAsJson(part)) continue;
      this.parser.feed(part);
      this.offset += part.length;
      if (this.offset >= piece.length) {
        this.piece += 1;
        this.offset = 0;
      }
      if (performance.now() >= deadline) break;
      // A large piece becomes nodes step by step, so that the deadline counts them too.
      if (part.length === PIECE) this.update();
    }
    const behind = this.piece < pieces.length;
    if (!behind && over && this.json?.complete === false) {
      this.begin(false);
      return this.draw(over, deadline);
    }
    if (!behind && over && !this.finished) {
      this.parser.finish();
      this.finished = true;
      this.update();
      this.settle();
    } else if (!this.finished) {
      // What the growing line closes may be open again with its next piece.
      this.update();
      this.settle();
      this.parser.show();
      this.update();
      this.formulas.clear();
      this.defined = [];
    }
    return behind;
  }

  private update(): void {
    this.drawn.clear();
    for (const block of this.parser.takeChanged()) {
      if (!block.withdrawn && !this.drawn.has(block)) this.updateBlock(block);
    }
  }

  private goesOnAsJson(part: string): boolean {
    this.json!.feed(part);
    if (this.json!.possible) return true;
    this.begin(false);
    return false;
  }

  private begin(mayBeJson = true): void {
    for (const child of this.mounts.get(this.parser.root)?.children ?? []) this.unmount(child);
    this.parser = new BlockParser();
    this.mounts = new Map([[this.parser.root, mount(this.host, this.host, this.before)]]);
    this.piece = this.offset = 0;
    this.finished = false;
    this.wanted = new Map();
    this.references = new Map();
    this.defined = [];
    this.json = mayBeJson && this.asJson ? new JsonText() : null;
    if (this.json) this.parser.feed("```json\n");
  }

  private updateBlock(block: Block): void {
    const own = this.mounts.get(block);
    // Not mounted: its parent will mount it, or it was taken back.
    if (own === undefined) return;
    this.drawn.add(block);
    if (block.kind === "code") drawLines(own, listShownLines(block));
    else if (block.kind === "maths") this.drawFormula(own, block);
    else if (block.kind === "paragraph" || block.kind === "heading") this.drawText(own, block);
    else if (block.kind === "row") this.typesetIn(own.host);
    else if (block.kind !== "rule") this.updateChildren(block, own);
  }

  private drawText(own: Mount, block: Block): void {
    const defined = block.kind === "paragraph" ? readDefinitions(block.lines) : { found: [], lines: 0 };
    if (!block.open) this.defined.push(...defined.found);
    const text = block.lines.slice(defined.lines).join("\n").trimEnd();
    const inline = (block.leads ? parseLead : parseInline)(text, block.open, (name) => this.findAddress(name, block));
    drawInline(own.host, own.inline, inline);
    own.inline = inline;
    if (defined.lines || own.host.hidden) own.host.hidden = text === "";
    if (!block.open) this.typesetIn(own.host);
  }

  /** Take in what nothing changes any more: definitions of links, and formulas. */
  private settle(): void {
    const changed = new Set<Block>();
    for (const [name, address] of this.defined) {
      if (this.references.has(name)) continue;
      this.references.set(name, address);
      for (const block of this.wanted.get(name) ?? []) changed.add(block);
      this.wanted.delete(name);
    }
    this.defined = [];
    for (const block of changed) {
      const own = this.mounts.get(block);
      if (own !== undefined && !block.withdrawn) this.drawText(own, block);
    }
    this.defined = [];
    this.typesetSettled();
  }

  private findAddress(name: string, block: Block): string | undefined {
    const found = this.references.get(name);
    if (found === undefined) {
      if (!this.wanted.has(name)) this.wanted.set(name, new Set());
      this.wanted.get(name)!.add(block);
    }
    return found;
  }

  private drawFormula(own: Mount, block: Block): void {
    own.host.textContent = block.lines.join("\n");
    if (!block.open) this.formulas.add(own.host);
  }

  /** Formulas are typeset once nothing changes them any more: typesetting takes their text away. */
  private typesetIn(host: HTMLElement): void {
    for (const each of host.querySelectorAll<HTMLElement>(".cnai-maths")) this.formulas.add(each);
  }

  private typesetSettled(): void {
    if (this.formulas.size === 0) return;
    for (const each of this.formulas) this.typesetting?.add(each);
    this.formulas.clear();
  }

  private updateChildren(block: Block, own: Mount): void {
    if (block.kind === "list") own.host.toggleAttribute("data-tight", !block.loose);
    // Only the end of a container changes: from there back to what is still the same.
    let same = Math.min(own.children.length, block.children.length);
    while (same > 0 && own.children[same - 1] !== block.children[same - 1]) same -= 1;
    const gone = own.children.splice(same);
    for (const child of block.children.slice(same)) {
      // A line that has grown is a new block: it goes on in the element of the one that was withdrawn.
      const former = gone.shift();
      const reused = former && canReuse(former, child) ? this.mounts.get(former) : undefined;
      const made = reused ?? makeMount(child, block);
      if (reused) this.mounts.delete(former!);
      else {
        for (const each of former ? [former, ...gone.splice(0)] : []) this.unmount(each);
        own.host.insertBefore(made.element, own.before);
      }
      made.block = child;
      this.mounts.set(child, made);
      own.children.push(child);
      this.updateBlock(child);
    }
    for (const each of gone) this.unmount(each);
  }

  private unmount(block: Block): void {
    const own = this.mounts.get(block);
    this.mounts.delete(block);
    own?.element.remove();
    for (const child of own?.children ?? []) this.unmount(child);
  }
}
