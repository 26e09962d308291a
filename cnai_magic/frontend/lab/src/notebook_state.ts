/**
 * What the kernel of a notebook says of its conversations, asked again after each run that concerns them, and where
 * cells with answers or commands were moved, deleted, brought back, or cleared.
 *
 * A kernel is asked only when it is known to have the magics: it has shown an answer or a change of theirs, has run
 * the line that loads them, or names them among its help links.
 */

import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { INotebookModel, NotebookPanel } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import type { JSONObject } from "@lumino/coreutils";
import { type ISignal, Signal } from "@lumino/signaling";

import { describeOrder, keepIds } from "../../src/order";
import { type Answer, askKernel } from "./ask_kernel";
import { asList, asRecord, asText, isId, PAGE_TYPE } from "./facts";
import { listRecorded } from "./notebook_cells";
import { keepLine } from "./shown_again";

/** Answers that were asked before one above them changed, below the turn `above`. */
export interface Stale {
  readonly conversation: string;
  readonly above: string;
  readonly turns: ReadonlyMap<string, string>;
}

/** Turns whose number is not the one of their footer; 0: it was taken out of the conversation. */
export interface Renumbered {
  readonly conversation: string;
  readonly turns: ReadonlyMap<string, number>;
}

export interface PageState {
  readonly model: string;
  readonly conversation: string;
  readonly spent: string;
  /** What is left of the budgets of this kernel and of the day, "" where there is none. */
  readonly left: string;
  readonly leftToday: string;
  readonly demo: boolean;
  readonly stale: readonly Stale[];
  readonly renumbered: readonly Renumbered[];
}

type Context = DocumentRegistry.IContext<INotebookModel>;

const LOADS = /^\s*%(re)?load_ext\s+cnai_magic\s*$/m;
const MENTIONS = /cnai/i;
// Milliseconds after which a change of several steps is over: cells are moved one by one.
const SETTLE = 250;
const states = new WeakMap<Context, NotebookState>();

/** The state of a notebook, which all its views share. */
export function getState({ context }: NotebookPanel): NotebookState {
  let state = states.get(context);
  if (!state) states.set(context, (state = new NotebookState(context)));
  return state;
}

export class NotebookState {
  /** What the kernel said last; null where it has said nothing, or is another one now. */
  current: PageState | null = null;

  private readonly signal = new Signal<this, void>(this);
  private kernel: Kernel.IKernelConnection | null = null;
  private known = false;
  private asking = false;
  private askAgain = false;
  // Grows where the kernel is forgotten: what was asked before, and may never be answered, counts no more.
  private generation = 0;
  // The requests that the kernel works at, those after which it is asked, and those that load the magics.
  private readonly busy = new Set<string>();
  private readonly concerning = new Set<string>();
  private readonly loading = new Set<string>();
  // The cells with answers and commands as the kernel was told last; whether it is to be told when it has nothing else to do.
  private told = "";
  private moved = false;
  private settling: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly context: Context) {
    const { model, sessionContext } = context;
    sessionContext.kernelChanged.connect(() => this.follow());
    sessionContext.iopubMessage.connect((_, message) => this.read(message));
    sessionContext.statusChanged.connect((_, status) => {
      if (/restarting|dead|terminating/.test(status)) this.forget();
      if (status === "idle" && this.moved) this.followCells();
    });
    // Which is told where outputs are cleared, too.
    model.contentChanged.connect(() => {
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.followCells(), SETTLE);
    });
    this.follow();
  }

  get changed(): ISignal<this, void> {
    return this.signal;
  }

  /** Whether the kernel of now is known to have the magics. */
  get isKnown(): boolean {
    return this.known;
  }

  /** Ask the kernel, if it has the magics; what changed is shown. Returns what it said. */
  async ask(request: object, order?: JSONObject): Promise<Answer | null> {
    const { kernel, generation } = this;
    if (!kernel || !this.known) return null;
    const answer = await askKernel(kernel, request, order);
    if (generation !== this.generation) return null;
    if (answer === null) this.forget();
    else if ("conversation" in answer.content) this.take(answer.content);
    return answer;
  }

  /** Ask for the state, once at a time. */
  async refresh(): Promise<void> {
    if (this.asking) {
      this.askAgain = true;
      return;
    }
    this.asking = true;
    const { generation } = this;
    try {
      do {
        this.askAgain = false;
        await this.ask({ do: "state" }, this.tellOrder());
      } while (this.askAgain && generation === this.generation);
    } finally {
      if (generation === this.generation) this.asking = false;
    }
  }

  /** Note that the kernel has the magics, and ask it. */
  meet(): void {
    this.known = true;
    void this.refresh();
  }

  /** Ask the kernel to change something where the cells stand as they do now: it may not know of that yet. */
  async change(request: object): Promise<Answer | null> {
    return this.ask(request, this.describeCells());
  }

  private tellOrder(): JSONObject | undefined {
    const order = this.describeCells();
    if (order) this.told = listRecorded(this.context.model);
    return order;
  }

  private describeCells(): JSONObject | undefined {
    const { context } = this;
    return context.isReady && !context.isDisposed ? describeOrder(context) : undefined;
  }

  /** Ask for what is stale now, where cells with answers stand otherwise; of a busy kernel later. */
  private followCells(): void {
    const { context, kernel } = this;
    this.moved = false;
    if (!this.known || !kernel || context.isDisposed || listRecorded(context.model) === this.told) return;
    // After a run that concerns it the kernel is asked anyway.
    if (kernel.status !== "idle") this.moved = true;
    else if (!this.concerning.size) void this.refresh();
  }

  private follow(): void {
    const kernel = this.context.sessionContext.session?.kernel ?? null;
    if (kernel === this.kernel) return;
    this.forget();
    this.kernel = kernel;
    void kernel?.info
      .then(({ help_links }) => {
        const has = asList(help_links).some((each) => asText(asRecord(each).text).startsWith("cnai_magic"));
        if (has && kernel === this.kernel) this.meet();
      })
      .catch(() => undefined);
  }

  private forget(): void {
    this.generation++;
    this.asking = this.askAgain = false;
    this.known = false;
    this.busy.clear();
    this.concerning.clear();
    this.loading.clear();
    if (this.current === null) return;
    this.current = null;
    this.signal.emit();
  }

  private take(content: Record<string, unknown>): void {
    this.current = {
      model: asText(content.model),
      conversation: asText(content.conversation),
      spent: asText(content.spent),
      left: asText(content.left),
      leftToday: asText(content.left_today),
      demo: content.demo === true,
      stale: asList(content.stale).map(readStale),
      renumbered: asList(content.renumbered).map(readRenumbered),
    };
    this.signal.emit();
  }

  private read(message: KernelMessage.IMessage): void {
    const parent = asText(asRecord(message.parent_header).msg_id);
    const content = asRecord(message.content);
    const type = message.header.msg_type;
    if (type === "execute_input") {
      const code = asText(content.code);
      if (LOADS.test(code)) this.loading.add(parent);
      if (MENTIONS.test(code)) this.concerning.add(parent);
    } else if (type === "error") this.loading.delete(parent);
    else if (type === "display_data" || type === "update_display_data") {
      const { data, metadata } = content;
      if (!(PAGE_TYPE in asRecord(data)) && !("cnai" in asRecord(metadata))) return;
      this.known = true;
      keepIds(this.context);
      // What a widget's callback asks is shown below its cell, whose run has ended.
      if (this.busy.has(parent)) this.concerning.add(parent);
      else {
        keepLine(this, { data: asRecord(data), metadata: asRecord(metadata) });
        void this.refresh();
      }
    } else if (type === "status" && content.execution_state === "busy") this.busy.add(parent);
    else if (type === "status" && content.execution_state === "idle") {
      this.busy.delete(parent);
      if (this.loading.delete(parent)) this.known = true;
      if (this.concerning.delete(parent) && this.known) void this.refresh();
    }
  }
}

function readStale(value: unknown): Stale {
  const { conversation, above, turns } = asRecord(value);
  const found = Object.entries(asRecord(turns)).filter((each): each is [string, string] => isId(each[0]) && isId(each[1]));
  return { conversation: asText(conversation), above: asText(above), turns: new Map(found) };
}

function readRenumbered(value: unknown): Renumbered {
  const { conversation, turns } = asRecord(value);
  const found = Object.entries(asRecord(turns)).filter((each): each is [string, number] => isId(each[0]) && Number.isSafeInteger(each[1]));
  return { conversation: asText(conversation), turns: new Map(found) };
}
