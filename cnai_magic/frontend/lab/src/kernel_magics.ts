/** Whether a kernel has cnai_magic: it is asked once, and only when something is about to be shown. */

import type { Kernel } from "@jupyterlab/services";

const QUESTION = "__import__('importlib.util', fromlist=['find_spec']).find_spec('cnai_magic') is not None";

const asked = new WeakMap<Kernel.IKernelConnection, Promise<boolean>>();
const known = new WeakMap<Kernel.IKernelConnection, boolean>();

/** What is known without asking; undefined where nothing is. */
export function knownToHaveMagics(kernel: Kernel.IKernelConnection): boolean | undefined {
  return known.get(kernel);
}

/** Ask a kernel, with a request that runs no cell and leaves no trace; once until it restarts. */
export function hasMagics(kernel: Kernel.IKernelConnection): Promise<boolean> {
  let answer = asked.get(kernel);
  if (!answer) {
    answer = ask(kernel).catch(() => false);
    asked.set(kernel, answer);
    void answer.then((has) => known.set(kernel, has));
    kernel.statusChanged.connect(forgetAtRestart);
  }
  return answer;
}

async function ask(kernel: Kernel.IKernelConnection): Promise<boolean> {
  if ((await kernel.info).language_info.name !== "python") return false;
  const request = { code: "", silent: true, store_history: false, user_expressions: { cnai: QUESTION } };
  const reply = await kernel.requestExecute(request, true).done;
  if (reply.content.status !== "ok") return false;
  const result = reply.content.user_expressions?.cnai as { data?: Record<string, unknown> } | undefined;
  return result?.data?.["text/plain"] === "True";
}

function forgetAtRestart(kernel: Kernel.IKernelConnection, status: Kernel.Status): void {
  if (status !== "restarting" && status !== "autorestarting") return;
  kernel.statusChanged.disconnect(forgetAtRestart);
  asked.delete(kernel);
  known.delete(kernel);
}
