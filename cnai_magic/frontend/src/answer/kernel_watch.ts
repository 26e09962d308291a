/**
 * Whether the kernel of an answer is still there, as far as the notebook tells. That nothing arrives for a while
 * means nothing: a model may be slow.
 */

export type Loss = "restarted" | "gone";

/** What is used of a model of ipywidgets, and of the manager that JupyterLab and Notebook give it. */
export interface KernelModel {
  on(event: string, listener: (value: unknown) => void): void;
  widget_manager?: { kernel?: { id: string; status?: string } | null };
}

// Milliseconds between two looks at the kernel.
const LOOK_EVERY = 2000;

/** Call back, perhaps more than once, when the kernel has restarted or is gone; returns what ends the watch. */
export function watchKernel(model: KernelModel, lost: (how: Loss) => void): () => void {
  // The event comes only when the manager marks the comms of a kernel that restarts as dead.
  model.on("comm_live_update", () => lost("restarted"));
  const id = findKernel(model)?.id;
  if (id === undefined) return () => undefined;
  // A kernel that is shut down or changed is interrupted first, and the answer ends as it should. Where it could
  // not, and where a dead kernel does not come back, no event of the model says so.
  const timer = setInterval(() => {
    const now = findKernel(model);
    if (now?.id !== id || now.status === "dead") lost("gone");
  }, LOOK_EVERY);
  const end = (): void => clearInterval(timer);
  model.on("destroy", end);
  return end;
}

function findKernel(model: KernelModel): { id: string; status?: string } | null | undefined {
  try {
    return model.widget_manager?.kernel;
  } catch {
    return null;
  }
}
