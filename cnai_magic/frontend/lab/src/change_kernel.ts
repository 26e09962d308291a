/** Asks the kernel for a change, says what is wrong with it, and lets the notebook's outputs follow. */

import { showErrorMessage } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";

import type { Shown } from "./ask_kernel";
import { asList, asRecord, asText, PAGE_TYPE, readCompared, readFacts } from "./facts";
import { findModel } from "./notebook_cells";
import { getState } from "./notebook_state";

interface Request {
  do: string;
  cell?: string;
  [field: string]: unknown;
}

/** Ask for a change; returns whether it was made. */
export async function changeKernel(panel: NotebookPanel, request: Request): Promise<boolean> {
  const answer = await getState(panel).ask(request);
  if (answer === null) return false;
  const error = asList(answer.content.error).map(asText);
  if (error.length) {
    // A notification would not be shown in every JupyterLab.
    await showErrorMessage("cnai_magic", error.join("\n"));
    return false;
  }
  for (const each of answer.shown) show(panel, each, request);
  return true;
}

/** Show what the kernel shows again, where the notebook has not followed by itself: the output may be of another kernel. */
function show(panel: NotebookPanel, { data, metadata }: Shown, { cell: asked = "", compared }: Request): void {
  const { cell, id } = asRecord(metadata.cnai);
  const turn = readFacts(data[PAGE_TYPE])?.turn;
  const outputs = findModel(panel, asText(cell) || asked)?.outputs;
  for (const [index, output] of outputs?.toJSON().entries() ?? []) {
    const shown = asRecord(output);
    const facts = asRecord(shown.data)[PAGE_TYPE];
    // Of compared answers one is a turn now, which takes their place.
    const wasCompared = compared !== undefined && readCompared(facts)?.id === compared;
    if (readFacts(facts)?.turn !== turn && !wasCompared) continue;
    const same = asRecord(asRecord(shown.metadata).cnai);
    if (same.id === id && JSON.stringify(same.kept) === JSON.stringify(asRecord(metadata.cnai).kept)) continue;
    outputs?.set(index, { output_type: "display_data", data, metadata } as never);
  }
}
