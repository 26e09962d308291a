/** The bundle: an anywidget front-end module whose source comes from the kernel's asset widget. */

import css from "./answer/answer.raw.css";
import { type AnswerModel, AnswerView } from "./answer/answer_view";
import type { Heading } from "./answer/column_view";
import { type ColumnsModel, ColumnsView } from "./answer/columns_view";
import { interruptKernel } from "./answer/interrupt";
import { type KernelModel, watchKernel } from "./answer/kernel_watch";
import { StopControl } from "./answer/stop";
import { AnswerStore, type Header } from "./answer/store";
import type { Typeset } from "./markdown/maths";

/** What is used of an anywidget model. */
export interface WidgetModel {
  get(name: string): unknown;
  on(event: string, listener: (value: unknown) => void): void;
  send(message: unknown): void;
  /** JupyterLab's widget manager knows how the notebook renders; others may not. */
  widget_manager?: KernelModel["widget_manager"] & {
    rendermime?: { latexTypesetter?: { typeset(element: HTMLElement): unknown } | null };
  };
}

type Shown = { answer: AnswerModel } | { columns: ColumnsModel };

const shown = new WeakMap<WidgetModel, Shown>();
const clock = (): number => performance.now();

/** Begin to collect what comes. `early` are the messages that came before this module was there. */
export function initialize({ model, early = [] }: { model: WidgetModel; early?: unknown[] }): void {
  if (shown.has(model)) return;
  const header = model.get("header") as Partial<ColumnsHeader>;
  if (Array.isArray(header.columns)) shown.set(model, { columns: collectColumns(model, header as ColumnsHeader, early) });
  else shown.set(model, { answer: collect(model, early) });
}

/** Show what comes in an element; returns what takes it down again. */
export function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  initialize({ model });
  addStyle();
  const found = shown.get(model)!;
  const view = "columns" in found ? new ColumnsView(found.columns, el) : new AnswerView(found.answer, el);
  return () => view.close();
}

/** Return what sends messages of a kind to the kernel. */
function makeSender(model: WidgetModel): (kind: string, fields?: Record<string, unknown>) => void {
  return (kind, fields = {}) => {
    try {
      model.send({ kind, ...fields });
    } catch {
      // The kernel is gone: what has come is still shown.
    }
  };
}

function startTimer(milliseconds: number, action: () => void): () => void {
  const timer = setTimeout(action, milliseconds);
  return () => clearTimeout(timer);
}

/** What is known of several answers from the beginning. */
interface ColumnsHeader {
  columns: Heading[];
  language?: string;
}

// Of several answers one is stopped by its message alone: an interrupt of the kernel would stop all of them. The kernel
// looks for it four times a second where it has no thread for it.
const COLUMN_PATIENCE = 2000;

function collectColumns(model: WidgetModel, header: ColumnsHeader, early: unknown[]): ColumnsModel {
  const send = makeSender(model);
  const columns = header.columns.map((heading, column) => {
    const store = new AnswerStore(() => send("resync"), clock);
    const stop = new StopControl({
      send: () => send("stop", { column }),
      interrupt: () => null,
      settled: () => undefined,
      after: (_, action) => startTimer(COLUMN_PATIENCE, action),
    });
    store.subscribe(() => {
      if (store.over) stop.end();
      else if (store.acknowledged) stop.acknowledge();
    });
    return { heading, store, stop };
  });
  const collected: ColumnsModel = { language: header.language, columns, afterwards: "", clock, typeset: findTypesetter(model) };
  const unwatch = watchKernel(model, (how) => columns.forEach(({ store }) => store.loseKernel(how)));
  const read = (value: unknown): void => {
    const { kind, messages, line } = (value ?? {}) as { kind?: unknown; messages?: [number, unknown][]; line?: unknown };
    if (kind === "columns") for (const [column, message] of messages ?? []) columns[column]?.store.takeMessage(message);
    if (kind === "afterwards") collected.afterwards = String(line);
    if (kind !== "ended") return;
    for (const { store } of columns) store.takeMessage(value);
    unwatch();
  };
  const readSnapshot = (): void => {
    const { columns: told = [] } = (model.get("snapshot") ?? {}) as { columns?: unknown[][] };
    told.forEach((messages, column) => messages.forEach((each) => columns[column]?.store.takeMessage(each)));
  };
  readSnapshot();
  for (const message of early) read(message);
  model.on("change:snapshot", readSnapshot);
  model.on("msg:custom", read);
  send("ready");
  return collected;
}

function collect(model: WidgetModel, early: unknown[]): AnswerModel {
  const header = model.get("header") as Header;
  const send = makeSender(model);
  const store = new AnswerStore(() => send("resync"), clock);
  const stop = new StopControl({
    send: () => send("stop"),
    interrupt: () => (store.over ? null : interruptKernel(header.kernel_id)),
    settled: () => send("settled"),
    after: startTimer,
  });
  const unwatch = watchKernel(model, (how) => store.loseKernel(how));
  // First among the store's listeners: Stop knows of the end before anything else is done about it.
  store.subscribe(() => {
    if (store.over) {
      stop.end();
      unwatch();
    } else if (store.acknowledged) stop.acknowledge();
  });
  const readSnapshot = (): void => store.takeSnapshot(model.get("snapshot"));
  const readStatus = (): void => store.takeStatus(model.get("status"));
  readSnapshot();
  readStatus();
  for (const message of early) store.takeMessage(message);
  model.on("change:snapshot", readSnapshot);
  model.on("change:status", readStatus);
  model.on("msg:custom", (message) => store.takeMessage(message));
  send("ready");
  return { header, store, stop, clock, typeset: findTypesetter(model) };
}

/** The notebook's own typesetter, for formulas that look the same before and after the end; null where there is none. */
function findTypesetter(model: WidgetModel): Typeset | null {
  try {
    const own = model.widget_manager?.rendermime?.latexTypesetter;
    if (!own) return null;
    return (element) => {
      try {
        void Promise.resolve(own.typeset(element)).catch(() => undefined);
      } catch {
        // It is left as it was typed.
      }
    };
  } catch {
    return null;
  }
}

let styled = false;

function addStyle(): void {
  if (styled) return;
  styled = true;
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
}
