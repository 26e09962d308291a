/**
 * Asks the kernel by a silent execute request, whose expression calls `cnai_magic.magics.page.answer_page`.
 *
 * The request is JSON in base64: whatever it holds, it is the text that Python reads, and never code.
 */

import type { Kernel, KernelMessage } from "@jupyterlab/services";
import type { JSONObject } from "@lumino/coreutils";

import { asRecord, asText } from "./facts";

/** What the kernel shows again because of a request: the new data and metadata of an output. */
export interface Shown {
  readonly data: Record<string, unknown>;
  readonly metadata: Record<string, unknown>;
}

export interface Answer {
  readonly content: Record<string, unknown>;
  readonly shown: readonly Shown[];
}

const TRIES = 3;

/** What the kernel answers; null where it does not know the magics, or is gone. `order` is that of the cells. */
export async function askKernel(
  kernel: Kernel.IKernelConnection,
  request: object,
  order?: JSONObject,
): Promise<Answer | null> {
  try {
    const { language_info } = await kernel.info;
    if (language_info.name !== "python") return null;
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await askOnce(kernel, request, order);
      if (answer !== "aborted") return answer;
    }
  } catch {
    // The kernel was shut down or restarted.
  }
  return null;
}

async function askOnce(
  kernel: Kernel.IKernelConnection,
  request: object,
  order?: JSONObject,
): Promise<Answer | null | "aborted"> {
  const question = {
    code: "",
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false,
    user_expressions: { cnai: writeExpression(request) },
  };
  const future = kernel.requestExecute(question, true, order && { cnai: order });
  const shown: Shown[] = [];
  // Not through the future: JupyterLab gives an update to the run that first showed the output, and to nobody else,
  // though the cell may have been deleted and brought back since.
  const read = (_: unknown, { header, parent_header, content }: KernelMessage.IIOPubMessage): void => {
    if (header.msg_type !== "update_display_data" || asRecord(parent_header).msg_id !== future.msg.header.msg_id) return;
    const { data, metadata } = content as KernelMessage.IUpdateDisplayDataMsg["content"];
    shown.push({ data: asRecord(data), metadata: asRecord(metadata) });
  };
  kernel.iopubMessage.connect(read);
  const { content } = await future.done.finally(() => kernel.iopubMessage.disconnect(read));
  // A cell that failed before takes all that waited behind it with it.
  if (asText(content.status).startsWith("abort")) return "aborted";
  if (content.status !== "ok") return null;
  const { data } = asRecord(asRecord(content.user_expressions).cnai);
  const found = asRecord(asRecord(data)["application/json"]);
  return found.loaded === true ? { content: found, shown } : null;
}

function writeExpression(request: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(request));
  const text = btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join(""));
  return `__import__("cnai_magic.magics.page", fromlist=["page"]).answer_page("${text}")`;
}
