/** Whether a kernel has cnai_magic installed, loaded or not. */

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
    answer = ask(kernel).then(
      (has) => {
        known.set(kernel, has);
        return has;
      },
      () => {
        // It is gone, or a cell that failed took what waited behind it with it: asked again when it matters.
        asked.delete(kernel);
        return false;
      },
    );
    asked.set(kernel, answer);
    kernel.statusChanged.connect(forgetAtRestart);
  }
  return answer;
}

async function ask(kernel: Kernel.IKernelConnection): Promise<boolean> {
  if ((await kernel.info).language_info.name !== "python") return false;
  const { content } = await kernel.requestExecute({
    code: "",
    silent: true,
    store_history: false,
    allow_stdin: false,
    stop_on_error: false,
    user_expressions: { cnai: QUESTION },
  }).done;
  if (content.status !== "ok") throw new Error(content.status);
  const result = content.user_expressions?.cnai as { data?: Record<string, unknown> } | undefined;
  return result?.data?.["text/plain"] === "True";
}

function forgetAtRestart(kernel: Kernel.IKernelConnection, status: Kernel.Status): void {
  if (status !== "restarting" && status !== "autorestarting") return;
  kernel.statusChanged.disconnect(forgetAtRestart);
  asked.delete(kernel);
  known.delete(kernel);
}
