/** The bundle: an anywidget front-end module whose text comes from the kernel's asset widget. */

import css from "./answer/answer.css";
import { type AnswerModel, showAnswer } from "./answer/answer_view";
import { interruptKernel } from "./answer/interrupt";
import { type KernelModel, watchKernel } from "./answer/kernel_watch";
import type { Typeset } from "./markdown/maths";
import { StopControl } from "./answer/stop";
import { AnswerStore, type Header } from "./answer/store";

/** What is used of an anywidget model. */
export interface WidgetModel {
  get(name: string): unknown;
  on(event: string, listener: (value: unknown) => void): void;
  off(event: string, listener: (value: unknown) => void): void;
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
  addStyle(el);
  return showAnswer(answers.get(model)!, el);
}

function collect(model: WidgetModel, early: unknown[]): AnswerModel {
  const listeners = new Set<() => void>();
  const tell = (): void => [...listeners].forEach((listener) => listener());
  const header = (): Partial<Header> => (model.get("header") ?? {}) as Partial<Header>;
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
    interrupt: () => (store.over ? null : interruptKernel(String(header().kernel_id ?? ""))),
    settled: () => send("settled"),
    after: (milliseconds, action) => {
      const timer = setTimeout(action, milliseconds);
      return () => clearTimeout(timer);
    },
    changed: tell,
  });
  // First among the store's listeners: Stop knows of the end before anything else is done about it.
  store.subscribe(() => {
    if (store.over) stop.end();
    else if (store.acknowledged) stop.acknowledge();
  });
  const leave = watchKernel(model, (how) => store.lose(how));
  store.subscribe(() => store.over && leave());
  store.snapshot(model.get("snapshot"));
  store.setStatus(model.get("status"));
  for (const message of early) store.message(message);
  model.on("change:snapshot", () => store.snapshot(model.get("snapshot")));
  model.on("change:status", () => store.setStatus(model.get("status")));
  model.on("change:header", tell);
  model.on("msg:custom", (message) => store.message(message));
  send("ready");
  return {
    store,
    stop,
    header,
    clock,
    typeset: typesetter(model),
    watch(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The notebook's own typesetter, for formulas that look the same before and after the end. */
function typesetter(model: WidgetModel): Typeset | null {
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

const styled = new WeakSet<Node>();

function addStyle(element: HTMLElement): void {
  const root = element.getRootNode();
  const target = root instanceof ShadowRoot ? root : document.head;
  if (styled.has(target)) return;
  styled.add(target);
  const style = document.createElement("style");
  style.textContent = css;
  target.append(style);
}
