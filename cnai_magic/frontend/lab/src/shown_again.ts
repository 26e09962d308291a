/** Outputs that the kernel shows again because the page asked it for something. */

import type { ICodeCellModel } from "@jupyterlab/cells";

import type { Shown } from "./ask_kernel";
import { asList, asRecord, asText, isId, PAGE_TYPE, readCompared, readFacts } from "./facts";
import { findModel, type Notebook } from "./notebook_cells";

/** What the request was about: a cell, or compared answers. */
interface About {
  readonly cell?: string;
  readonly compared?: unknown;
}

/** Show what the kernel shows again, where the notebook has not followed by itself: the output may be of another kernel. */
export function showAgain(notebook: Notebook, { data, metadata }: Shown, { cell: asked = "", compared }: About = {}): void {
  const { cell, id, event, kept } = asRecord(metadata.cnai);
  // A line below a cell keeps what no output shows: it is known by its cell alone.
  const isLine = event === "kept";
  const turn = readFacts(data[PAGE_TYPE])?.turn;
  // The kernel may have another name for it, where the file gave it none.
  const own = asText(isLine ? asRecord(kept).cell : cell);
  const outputs = (findModel(notebook, own) ?? findModel(notebook, asked))?.outputs;
  if (outputs && compared !== undefined) dropInterrupt(outputs);
  for (const [index, output] of outputs?.toJSON().entries() ?? []) {
    const shown = asRecord(output);
    const facts = asRecord(shown.data)[PAGE_TYPE];
    const same = asRecord(asRecord(shown.metadata).cnai);
    // Of compared answers one is a turn now, which takes their place: by this request, or since the page was loaded.
    const former = readCompared(facts);
    const wasCompared = former !== null && (former.id === compared || listCompared(same).includes(id));
    if (isLine ? same.event !== "kept" : readFacts(facts)?.turn !== turn && !wasCompared) continue;
    // Compared answers that were asked again have the name that they had.
    const isCompared = readCompared(data[PAGE_TYPE]) !== null;
    if (same.id === id && !isCompared && JSON.stringify(same.kept) === JSON.stringify(kept)) continue;
    outputs?.set(index, { output_type: "display_data", data, metadata } as never);
  }
}

/** Show the line that keeps what a run did after its end, where the page was loaded since: it has no place for it. */
export function keepLine(notebook: Notebook, { data, metadata }: Shown): void {
  const record = asRecord(metadata.cnai);
  const outputs = findModel(notebook, asText(asRecord(record.kept).cell))?.outputs;
  if (!outputs || record.event !== "kept") return;
  const known = outputs.toJSON().map((each) => asRecord(asRecord(asRecord(each).metadata).cnai));
  const index = known.map(({ event }) => event).lastIndexOf("kept");
  const line = { output_type: "display_data", data, metadata } as never;
  if (index < 0) outputs.add(line);
  else if (known[index]?.time !== record.time) outputs.set(index, line);
}

/** The IDs of compared answers: a single one has all in common with all. */
function listCompared({ common, answers }: Record<string, unknown>): unknown[] {
  return [common, ...asList(answers)].map((each) => asRecord(each).id).filter(isId);
}

/** Take out that the answers were interrupted, and what stayed in force then: one of them is kept, and in force now. */
function dropInterrupt(outputs: ICodeCellModel["outputs"] & { remove?(index: number): void }): void {
  for (const [index, output] of [...outputs.toJSON().entries()].reverse()) {
    const { ename, metadata } = asRecord(output);
    // An older JupyterLab cannot take out a single one.
    if (ename === "KeyboardInterrupt" || asRecord(asRecord(metadata).cnai).event === "kept") outputs.remove?.(index);
  }
}
