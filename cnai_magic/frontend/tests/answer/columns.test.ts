import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { render, type WidgetModel } from "../../src/index";

const HEADINGS = [
  { number: 1, model: "<img src=x>", varied: "temperature 0" },
  { number: 2, model: "b", varied: "temperature 1" },
];

class FakeModel implements WidgetModel {
  sent: unknown[] = [];
  traits: Record<string, unknown> = { header: { columns: HEADINGS, kernel_id: "k" }, snapshot: { seq: 0, text: "", reasoning: "" } };
  private listeners: [string, (value: unknown) => void][] = [];
  get = (name: string): unknown => this.traits[name];
  on = (event: string, listener: (value: unknown) => void): void => void this.listeners.push([event, listener]);
  send = (message: unknown): void => void this.sent.push(message);
  tell(event: string, value?: unknown): void {
    for (const [name, listener] of this.listeners) if (name === event) listener(value);
  }
  columns(...messages: [number, unknown][]): void {
    this.tell("msg:custom", { kind: "columns", messages });
  }
}

let model: FakeModel;
let el: HTMLElement;
const column = (index: number): HTMLElement => el.querySelectorAll<HTMLElement>(".cnai-column")[index]!;
const facts = (index: number): string => column(index).querySelector(".cnai-facts")!.textContent!.replaceAll("\u00a0", " ");
const stop = (index: number): HTMLButtonElement => column(index).querySelector("button")!;
const foot = (): string => el.querySelector(".cnai-columns-foot .cnai-facts")!.textContent!;
const frame = (): void => void vi.advanceTimersByTime(300);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  model = new FakeModel();
  el = document.createElement("div");
  document.body.replaceChildren(el);
  render({ model, el });
  frame();
});
afterEach(() => void vi.useRealTimers());

it("shows each answer in its column, names as they are, and what is known of it", () => {
  expect(column(0).querySelector("img")).toBeNull();
  expect(column(0).getAttribute("aria-label")).toBe("Answer 1: <img src=x> \u00b7 temperature 0");
  model.columns(
    [0, { kind: "delta", seq: 1, text: "**one**", reasoning: "hm" }],
    [0, { kind: "progress", tokens: 12, thinking: 3, rate: 40, cost: "$0.01", footer: "", first: 0.42, seconds: 1 }],
    [1, { kind: "status", phase: "turn" }],
  );
  frame();
  expect(column(0).querySelector("strong")!.textContent).toBe("one");
  expect(facts(0)).toBe("first token 0.4 s \u00b7 12 tokens (3 thinking) \u00b7 40/s \u00b7 $0.01");
  expect(facts(1)).toMatch(/^waiting for its turn/);
});

it("stops all answers", () => {
  el.querySelector<HTMLElement>(".cnai-columns-foot button")!.click();
  expect(model.sent.slice(-2)).toEqual([0, 1].map((column) => ({ kind: "stop", column })));
});

it("stops one answer by its number", () => {
  stop(1).click();
  expect(model.sent[model.sent.length - 1]).toEqual({ kind: "stop", column: 1 });
  frame();
  expect(stop(1).textContent).toBe("Stopping\u2026");
  vi.advanceTimersByTime(2500);
  expect(facts(1)).toContain("Interrupt button stops all");
  model.columns([1, { kind: "stopping" }], [1, { kind: "ended", stopped: true, problem: "" }]);
  frame();
  expect(facts(1)).toContain("stopped");
  expect(stop(1).hidden).toBe(true);
  expect(stop(0).textContent).toBe("Stop");
  expect(el.querySelector<HTMLElement>(".cnai-columns-foot button")!.hidden).toBe(false);
  expect(facts(0)).toMatch(/^waiting/);
  const told = vi.fn<(event: Event) => void>();
  el.addEventListener("cnai-lost", told);
  model.tell("comm_live_update");
  frame();
  expect((told.mock.calls[0]![0] as CustomEvent).detail).toMatch(/^Answer 1: [^]*Answer 2: [^]*all that arrived$/);
  expect([facts(0), facts(1)]).toEqual(["kernel restarted", "stopped"]);
  expect(foot()).toBe("kernel restarted: what stands here is all that arrived");
});

it("says what failed in its column alone", () => {
  model.columns([0, { kind: "ended", problem: "no; ask again", stopped: false }]);
  frame();
  expect(column(0).querySelector("p.cnai-problem")!.textContent).toBe("no; ask again");
  expect(facts(0)).toBe("failed");
  expect(foot()).toBe("1 of 2 answers are over");
  model.tell("msg:custom", { kind: "afterwards", line: "judging \u00b7 1 of 2" });
  frame();
  expect(foot()).toBe("judging \u00b7 1 of 2");
});

it("takes back what is asked for again, and asks for what it missed", () => {
  model.columns([0, { kind: "delta", seq: 1, text: "half", reasoning: "" }]);
  model.columns([0, { kind: "snapshot", seq: 2, text: "", reasoning: "" }], [0, { kind: "delta", seq: 3, text: "whole", reasoning: "" }]);
  model.columns([1, { kind: "delta", seq: 2, text: " two", reasoning: "" }]);
  expect(model.sent[model.sent.length - 1]).toEqual({ kind: "resync" });
  model.traits.snapshot = { columns: [[], [{ kind: "snapshot", seq: 2, text: "one two", reasoning: "" }]] };
  model.tell("change:snapshot");
  frame();
  expect(column(0).textContent).toContain("whole");
  expect(column(0).textContent).not.toContain("half");
  expect(column(1).textContent).toContain("one two");
});
