/** The bundle: an anywidget front-end module whose source comes from the kernel's asset widget. */

import css from "./answer/answer.css";
import { type AnswerModel, AnswerView } from "./answer/answer_view";
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

const answers = new WeakMap<WidgetModel, AnswerModel>();
const clock = (): number => performance.now();

/** Begin to collect an answer. `early` are the messages that came before this module was there. */
export function initialize({ model, early = [] }: { model: WidgetModel; early?: unknown[] }): void {
  if (!answers.has(model)) answers.set(model, collect(model, early));
}

/** Show an answer in an element; returns what takes it down again. */
export function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  initialize({ model });
  addStyle();
  const view = new AnswerView(answers.get(model)!, el);
  return () => view.close();
}

function collect(model: WidgetModel, early: unknown[]): AnswerModel {
  const header = model.get("header") as Header;
  const send = (kind: string): void => {
    try {
      model.send({ kind });
    } catch {
      // The kernel is gone: what has come is still shown.
    }
  };
  const store = new AnswerStore(() => send("resync"), clock);
  const stop = new StopControl({
    send: () => send("stop"),
    interrupt: () => (store.over ? null : interruptKernel(header.kernel_id)),
    settled: () => send("settled"),
    after: (milliseconds, action) => {
      const timer = setTimeout(action, milliseconds);
      return () => clearTimeout(timer);
    },
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
