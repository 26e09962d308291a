/** Asks the kernel for a change, says what is wrong with it, and lets the notebook's outputs follow. */

import { showErrorMessage } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";

import { asList, asText } from "./facts";
import { getState } from "./notebook_state";
import { showAgain } from "./shown_again";

interface Request {
  do: string;
  cell?: string;
  [field: string]: unknown;
}

/** Ask for a change; returns whether it was made. */
export async function changeKernel(panel: NotebookPanel, request: Request): Promise<boolean> {
  const answer = await getState(panel).change(request);
  if (answer === null) return false;
  const error = asList(answer.content.error).map(asText);
  if (error.length) {
    // A notification would not be shown in every JupyterLab.
    await showErrorMessage("cnai_magic", error.join("\n"));
    return false;
  }
  for (const each of answer.shown) showAgain(panel, each, request);
  return true;
}
