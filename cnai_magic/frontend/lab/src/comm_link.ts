/**
 * Sends messages to the comm of a widget that this page does not have, beside what the kernel is running.
 *
 * They go on the control channel, which a kernel that shows an answer reads on a thread of its own. JupyterLab holds
 * what is sent before it is connected until the kernel is idle, or for three seconds.
 */

import { type Kernel, KernelMessage } from "@jupyterlab/services";
import type { JSONObject } from "@lumino/coreutils";

export class CommLink {
  private early: JSONObject[] = [];

  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly comm: string,
  ) {
    kernel.connectionStatusChanged.connect(this.sendEarly, this);
  }

  send(data: JSONObject): void {
    this.early.push(data);
    this.sendEarly();
  }

  close(): void {
    this.kernel.connectionStatusChanged.disconnect(this.sendEarly, this);
  }

  private sendEarly(): void {
    const { kernel, comm } = this;
    if (kernel.isDisposed || kernel.connectionStatus !== "connected") return;
    const { clientId: session, username } = kernel;
    for (const data of this.early.splice(0)) {
      const content = { comm_id: comm, data };
      // JupyterLab's types know no comms on this channel.
      const options = { msgType: "comm_msg", channel: "control", session, username, content };
      kernel.sendControlMessage(KernelMessage.createMessage(options as never) as KernelMessage.IMessage as KernelMessage.IControlMessage, false, true);
    }
  }
}
