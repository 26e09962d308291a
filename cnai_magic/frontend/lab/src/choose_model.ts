/** Lets a person pick the model that is asked from now on, among those of the key. */

import { InputDialog } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";

import { changeKernel } from "./change_kernel";
import { asList, asRecord, asText } from "./facts";
import { getState } from "./notebook_state";
import { fill, type Words } from "./words";

export async function chooseModel(panel: NotebookPanel, words: Words): Promise<void> {
  const answer = await getState(panel).ask({ do: "models" });
  const models = asList(answer?.content.models).map(asRecord);
  if (answer === null || !models.length) {
    await changeKernel(panel, { do: "models" });
    return;
  }
  const labels = models.map(({ id, input, output }) => {
    return `${asText(id)} · ${describePrice(asText(input), asText(output), words)}`;
  });
  const current = models.findIndex(({ id }) => id === answer.content.model);
  const { value } = await InputDialog.getItem({
    title: words("Model to ask"),
    label: words("Prices are for a million tokens."),
    items: labels,
    current: Math.max(0, current),
    okLabel: words("Use"),
  });
  const chosen = value === null ? undefined : models[labels.indexOf(value)];
  if (chosen) await changeKernel(panel, { do: "use_model", model: asText(chosen.id) });
}

const NOTHING = "$0.00";

function describePrice(input: string, output: string, words: Words): string {
  if (!input) return words("unpriced");
  return input === NOTHING && output === NOTHING ? words("free") : fill(words("{input} in, {output} out"), { input, output });
}
