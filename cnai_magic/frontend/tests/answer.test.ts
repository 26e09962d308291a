import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { initialize, render, type WidgetModel } from "../src/index";
import stub from "../src/stub";

class FakeModel implements WidgetModel {
  sent: unknown[] = [];
  traits: Record<string, unknown> = {
    asset: "asset-id",
    header: { model: "demo-guide", conversation: "main", turn: 2, demo: true, kernel_id: "k-1", can_stop: true },
    snapshot: { seq: 0, text: "", reasoning: "" },
    status: { phase: "waiting" },
  };
  private listeners: [string, (value: unknown) => void][] = [];
  widget_manager: { get_model: (id: string) => Promise<{ get(name: string): unknown }> } = {
    get_model: () => Promise.reject(new Error("no such model")),
  };
  get = (name: string): unknown => this.traits[name];
  on(event: string, listener: (value: unknown) => void): void {
    this.listeners.push([event, listener]);
  }
  off(event: string, listener: (value: unknown) => void): void {
    this.listeners = this.listeners.filter(([name, each]) => name !== event || each !== listener);
  }
  send(message: unknown): void {
    this.sent.push(message);
  }
  tell(event: string, value?: unknown): void {
    for (const [name, listener] of this.listeners) if (name === event) listener(value);
  }
  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.tell(`change:${name}`);
  }
  message(value: unknown): void {
    this.tell("msg:custom", value);
  }
}

let model: FakeModel;
let el: HTMLElement;
const frame = (): void => void vi.advanceTimersByTime(20);
const part = (name: string): HTMLElement => el.querySelector<HTMLElement>(`.cnai-${name}`)!;
const start = (): (() => void) => {
  initialize({ model });
  const close = render({ model, el });
  frame();
  return close;
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "requestAnimationFrame", "cancelAnimationFrame", "performance"] });
  model = new FakeModel();
  el = document.createElement("div");
  document.body.replaceChildren(el);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a view of an answer", () => {
  it("names the model, counts the seconds, then shows the text", () => {
    start();
    expect(model.sent).toEqual([{ kind: "ready" }]);
    expect(part("title").textContent).toBe("demo-guide · main, turn 2");
    expect(part("badge").hidden).toBe(false);
    vi.advanceTimersByTime(3100);
    expect(part("waiting").textContent).toBe("waiting 3 s");
    expect(part("unseen").textContent).toBe("Waiting for the answer");
    model.set("status", { phase: "streaming" });
    model.message({ kind: "delta", seq: 1, text: "Hello **you", reasoning: "" });
    frame();
    expect(part("waiting").hidden).toBe(true);
    expect(part("text").querySelector("strong")!.textContent).toBe("you");
    model.message({ kind: "footer", tokens: 3, rate: 12, first_token: 0.5, cost: "", total: "" });
    frame();
    expect(part("footer").textContent).toBe("3 tokens · 12 tokens/s · first token 0.5 s");
    model.set("status", { phase: "done", footer: "the end" });
    frame();
    expect(part("text").textContent).toBe("Hello **you");
    expect(part("footer").textContent).toBe("the end");
    expect(part("stop").hidden).toBe(true);
  });

  it("shows everything in a second and in a late view", () => {
    initialize({ model });
    model.message({ kind: "delta", seq: 1, text: "# one\n", reasoning: "" });
    start();
    expect(part("text").innerHTML).toBe("<h1>one</h1>");
    const other = document.createElement("div");
    document.body.append(other);
    render({ model, el: other });
    model.message({ kind: "delta", seq: 2, text: "two", reasoning: "" });
    frame();
    for (const each of [el, other]) expect(each.querySelector(".cnai-text")!.innerHTML).toBe("<h1>one</h1><p>two</p>");
  });

  it("draws the reasoning when its fold is opened while nothing arrives", () => {
    start();
    model.message({ kind: "delta", seq: 1, text: "the answer", reasoning: "a thought" });
    frame();
    expect(part("thoughts").textContent).toBe("");
    part("reasoning").querySelector("summary")!.click();
    frame();
    expect(part("thoughts").textContent).toBe("a thought");
  });

  it("draws once for many messages in a frame", () => {
    start();
    const animation = vi.spyOn(globalThis, "requestAnimationFrame");
    for (let seq = 1; seq <= 50; seq += 1) model.message({ kind: "delta", seq, text: "a ", reasoning: "" });
    expect(animation).toHaveBeenCalledTimes(1);
  });

  it("asks again for what it missed", () => {
    start();
    model.message({ kind: "delta", seq: 2, text: "b", reasoning: "" });
    expect(model.sent).toContainEqual({ kind: "resync" });
    model.set("snapshot", { seq: 2, text: "ab", reasoning: "" });
    frame();
    expect(part("text").textContent).toBe("ab");
  });

  it("opens the reasoning while it comes and closes it for the answer", () => {
    start();
    const fold = part("reasoning") as HTMLDetailsElement;
    expect(fold.hidden).toBe(true);
    model.message({ kind: "delta", seq: 1, text: "", reasoning: "hm" });
    frame();
    expect([fold.hidden, fold.open, part("thoughts").textContent]).toEqual([false, true, "hm"]);
    model.message({ kind: "delta", seq: 2, text: "so", reasoning: "" });
    frame();
    expect(fold.open).toBe(false);
  });

  it("leaves the fold as the reader wants it", () => {
    start();
    model.message({ kind: "delta", seq: 1, text: "", reasoning: "hm" });
    frame();
    const fold = part("reasoning") as HTMLDetailsElement;
    fold.querySelector("summary")!.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    fold.open = false;
    model.message({ kind: "delta", seq: 2, text: "", reasoning: " more" });
    frame();
    expect(fold.open).toBe(false);
    fold.open = true;
    model.message({ kind: "delta", seq: 3, text: "so", reasoning: "" });
    frame();
    expect([fold.open, part("thoughts").textContent]).toEqual([true, "hm more"]);
  });

  it("stops by the kernel, by the server, or says what to press", async () => {
    const fetch = vi.fn().mockResolvedValue({ ok: true });
    vi.stubGlobal("fetch", fetch);
    document.body.dataset.baseUrl = "/";
    start();
    part("stop").click();
    part("stop").click();
    frame();
    expect(model.sent.filter((each) => (each as { kind: string }).kind === "stop")).toHaveLength(1);
    expect(part("stop").textContent).toBe("Stopping…");
    await vi.advanceTimersByTimeAsync(370);
    expect(fetch).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(40);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(fetch.mock.calls[0]![0]).toMatch(/\/api\/kernels\/k-1\/interrupt$/);
    delete document.body.dataset.baseUrl;
  });

  it("says what to press where there is no server to ask", async () => {
    start();
    part("stop").click();
    await vi.advanceTimersByTimeAsync(450);
    expect(part("problem").hidden).toBe(false);
    expect(part("problem").textContent).toContain("Interrupt button");
    model.message({ kind: "ended" });
    frame();
    expect(part("problem").hidden).toBe(true);
  });

  it.each([[{ kind: "stopping" }], [{ kind: "ended" }]])("does not interrupt after %j", async (message) => {
    const fetch = vi.fn();
    vi.stubGlobal("fetch", fetch);
    document.body.dataset.baseUrl = "/";
    start();
    part("stop").click();
    await vi.advanceTimersByTimeAsync(200);
    model.message(message);
    await vi.advanceTimersByTimeAsync(1000);
    expect(fetch).not.toHaveBeenCalled();
    delete document.body.dataset.baseUrl;
  });

  it("has no Stop where the kernel cannot", () => {
    model.traits.header = { model: "m", can_stop: false };
    start();
    expect(part("stop").hidden).toBe(true);
    expect(part("badge").hidden).toBe(true);
  });

  it("holds the height of the output for the swap, for a second", () => {
    const area = document.createElement("div");
    area.className = "jp-OutputArea";
    Object.defineProperty(area, "offsetHeight", { value: 321 });
    document.body.replaceChildren(area);
    area.append(el);
    const close = start();
    model.set("status", { phase: "done" });
    expect(area.style.minHeight).toBe("321px");
    vi.advanceTimersByTime(600);
    el.remove();
    close();
    vi.advanceTimersByTime(600);
    expect(area.style.minHeight).toBe("321px");
    vi.advanceTimersByTime(600);
    expect(area.style.minHeight).toBe("");
  });

  it("leaves nothing behind", () => {
    const close = start();
    close();
    expect(el.childNodes).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
    model.message({ kind: "delta", seq: 1, text: "a", reasoning: "" });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the stub", () => {
  const settle = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(15000));

  it("shows the snapshot as text where there is no bundle", async () => {
    model.traits.snapshot = { seq: 1, text: "<b>plain", reasoning: "" };
    const widget = stub();
    expect(widget.initialize({ model })).toBeUndefined();
    const close = widget.render({ model, el });
    await settle();
    expect(el.textContent).toBe("<b>plain");
    model.set("snapshot", { seq: 2, text: "<b>plainer", reasoning: "" });
    expect(el.textContent).toBe("<b>plainer");
    close();
    expect(el.childNodes).toHaveLength(0);
  });

  it("hands over to the bundle, with the messages that came before", async () => {
    const module = { initialize, render };
    (globalThis as { __cnai_answer?: unknown }).__cnai_answer = new Map([["d", Promise.resolve(module)]]);
    const get_model = vi.fn().mockResolvedValue({ get: () => "d" });
    model.widget_manager = { get_model };
    const widget = stub();
    widget.initialize({ model });
    model.message({ kind: "delta", seq: 1, text: "early", reasoning: "" });
    const close = widget.render({ model, el });
    await vi.advanceTimersByTimeAsync(50);
    expect(get_model).toHaveBeenCalledWith("asset-id");
    expect(part("text").textContent).toBe("early");
    expect(el.querySelector("pre")).toBeNull();
    model.message({ kind: "delta", seq: 2, text: " and late", reasoning: "" });
    await vi.advanceTimersByTimeAsync(50);
    expect(part("text").textContent).toBe("early and late");
    close();
    expect(el.childNodes).toHaveLength(0);
  });
});
