/**
 * Sends messages to the comm of a widget that this page does not have, beside what the kernel is running.
 *
 * JupyterLab would ask the kernel first what it can do, which a kernel that is busy does not answer.
 */

import { type Kernel, KernelMessage } from "@jupyterlab/services";
import type { JSONObject } from "@lumino/coreutils";

import { asRecord, asText } from "./facts";

export class CommLink {
  private readonly subshell: Promise<string>;

  /** `hasThreads`: the kernel takes messages on threads of their own (subshells); else when it is idle. */
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly comm: string,
    readonly hasThreads: boolean,
  ) {
    this.subshell = hasThreads ? this.openSubshell().catch(() => "") : Promise.resolve("");
  }

  send(data: JSONObject): void {
    void this.subshell.then((subshell) => {
      const message = this.make("comm_msg", "shell", { comm_id: this.comm, data }) as KernelMessage.IShellMessage;
      if (subshell) Object.assign(message.header, { subshell_id: subshell });
      if (!this.kernel.isDisposed) this.kernel.sendShellMessage(message, false, true);
    });
  }

  close(): void {
    void this.subshell.then((subshell) => {
      if (subshell && !this.kernel.isDisposed) this.sendControl("delete_subshell_request", { subshell_id: subshell });
    });
  }

  private async openSubshell(): Promise<string> {
    const reply = await this.sendControl("create_subshell_request", {}).done;
    return asText(asRecord(reply.content).subshell_id);
  }

  private sendControl(type: string, content: JSONObject): Kernel.IControlFuture {
    return this.kernel.sendControlMessage(this.make(type, "control", content) as KernelMessage.IControlMessage, true, true);
  }

  /** A message, also of a type that the types of JupyterLab 4.2 do not know. */
  private make(msgType: string, channel: string, content: JSONObject): KernelMessage.IMessage {
    const { clientId: session, username } = this.kernel;
    return KernelMessage.createMessage({ msgType, channel, session, username, content } as never);
  }
}

/** Whether a kernel takes messages on threads of their own, as it says of itself. */
export async function hasThreads(kernel: Kernel.IKernelConnection): Promise<boolean> {
  const { supported_features } = asRecord(await kernel.info);
  return Array.isArray(supported_features) && supported_features.includes("kernel subshells");
}
