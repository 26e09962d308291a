import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { initialize, render, type WidgetModel } from "../../src/index";
import stub from "../../src/stub";

class FakeModel implements WidgetModel {
  sent: unknown[] = [];
  traits: Record<string, unknown> = {
    asset: "asset-id",
    header: { model: "demo-guide", turn: 2, attempt: 1, kernel_id: "k-1" },
    snapshot: { seq: 0, text: "", reasoning: "" },
    status: { phase: "waiting" },
  };
  private listeners: [string, (value: unknown) => void][] = [];
  widget_manager: { rendermime?: undefined; kernel?: { id: string; status?: string } | null; get_model: (id: string) => Promise<{ get(name: string): unknown }> } = {
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
    vi.advanceTimersByTime(3100);
    expect(part("facts").textContent).toBe("demo-guide · turn 2 · waiting 3 s");
    expect(part("unseen").textContent).toBe("Waiting for the answer");
    expect(part("copy-answer").hidden).toBe(true);
    model.set("status", { phase: "streaming" });
    model.message({ kind: "delta", seq: 1, text: "Hello **you", reasoning: "" });
    frame();
    expect(part("facts").textContent).toBe("demo-guide · turn 2");
    expect(part("text").querySelector("strong")!.textContent).toBe("you");
    expect(part("status").classList).not.toContain("cnai-as-final");
    model.message({ kind: "progress", tokens: 3, thinking: 0, rate: 12, cost: "", footer: "the end, about" });
    frame();
    expect(part("facts").textContent).toBe("demo-guide · turn 2 · 3 tokens · 12/s");
    expect([part("status").classList.contains("cnai-as-final"), part("final").textContent]).toEqual([true, "the end, about"]);
    model.message({ kind: "ended", footer: "the end" });
    frame();
    expect(part("text").textContent).toBe("Hello **you");
    expect(part("facts").textContent).toBe("the end");
    expect([part("stop").hidden, part("copy-answer").hidden]).toEqual([true, true]);
  });

  it("copies the answer as it was written", async () => {
    const writeText = vi.fn().mockResolvedValue(undefined);
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    start();
    model.message({ kind: "delta", seq: 1, text: "Hello **you**", reasoning: "hm" });
    frame();
    part("copy-answer").click();
    await vi.advanceTimersByTimeAsync(0);
    expect(writeText).toHaveBeenCalledWith("Hello **you**");
    expect(part("copy-answer").textContent).toBe("Copied");
    await vi.advanceTimersByTimeAsync(2000);
    expect([part("copy-answer").textContent, part("copy-answer").getAttribute("aria-label")]).toEqual(["Copy", "Copy the answer"]);
  });

  it("shows everything in a second and in a late view", () => {
    initialize({ model });
    model.message({ kind: "delta", seq: 1, text: "# one\n", reasoning: "" });
    start();
    expect(part("text").querySelector("h1")!.textContent).toBe("one");
    const other = document.createElement("div");
    document.body.append(other);
    render({ model, el: other });
    model.message({ kind: "delta", seq: 2, text: "two", reasoning: "" });
    frame();
    for (const each of [el, other]) {
      expect([...each.querySelector(".cnai-text")!.children].map((block) => block.textContent)).toEqual(["one", "two", ""]);
    }
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

  it("keeps the reasoning folded, first of all, until the reader opens it", () => {
    start();
    expect(part("reasoning")).toBeNull();
    model.message({ kind: "delta", seq: 1, text: "", reasoning: "hm" });
    frame();
    const fold = part("reasoning") as HTMLDetailsElement;
    expect([fold.open, part("text").firstElementChild === fold]).toEqual([false, true]);
    expect(part("facts").textContent).toBe("demo-guide · turn 2 · thinking");
    fold.querySelector("summary")!.click();
    fold.open = true;
    model.message({ kind: "delta", seq: 2, text: "so", reasoning: " more" });
    frame();
    expect([fold.open, part("thoughts").textContent, part("facts").textContent]).toEqual([true, "hm more", "demo-guide · turn 2"]);
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
    expect(part("problem").textContent).toContain("Interrupt button");
    model.message({ kind: "ended" });
    frame();
    expect(part("problem")).toBeNull();
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

  describe("whose kernel is lost", () => {
    const begun = (): void => {
      model.widget_manager.kernel = { id: "k-1", status: "busy" };
      start();
      model.set("status", { phase: "streaming" });
      model.message({ kind: "delta", seq: 1, text: "half an *ans", reasoning: "" });
      model.message({ kind: "progress", tokens: 3, thinking: 0, rate: 12, cost: "", footer: "the end, about" });
      frame();
    };
    const ways: [string, string, () => void][] = [
      ["restarted", "by a restart", () => model.tell("comm_live_update")],
      ["gone", "by a shut-down", () => (model.widget_manager.kernel = null)],
      ["gone", "for another", () => (model.widget_manager.kernel = { id: "k-2" })],
      ["gone", "by its death", () => (model.widget_manager.kernel!.status = "dead")],
    ];

    it.each(ways)("says that it is %s %s, and stands still", (how, _, lose) => {
      begun();
      const told = vi.fn<(event: Event) => void>();
      el.addEventListener("cnai-lost", told);
      lose();
      vi.advanceTimersByTime(2500);
      const all = `half an *ans\n\ndemo-guide · turn 2 · kernel ${how}: the answer above is all that arrived`;
      expect(told.mock.calls.map(([event]) => (event as CustomEvent).detail)).toEqual([all]);
      expect(part("facts").textContent).toBe(`demo-guide · turn 2 · kernel ${how}: the answer above is all that arrived`);
      expect(part("unseen").textContent).toContain("all that arrived");
      expect([part("stop").hidden, part("pulse").hidden, part("copy-answer").hidden]).toEqual([true, true, false]);
      expect([part("text").textContent, part("status").classList.contains("cnai-as-final")]).toEqual(["half an *ans", false]);
      expect(vi.getTimerCount()).toBe(0);
    });

    it("does not take a slow model for a lost kernel", () => {
      begun();
      vi.advanceTimersByTime(3_600_000);
      expect([part("stop").hidden, part("facts").textContent]).toEqual([false, "demo-guide · turn 2 · 3 tokens · 12/s"]);
    });

    it("leaves an answer that had ended as it is", () => {
      begun();
      model.message({ kind: "ended", footer: "the end" });
      model.tell("comm_live_update");
      frame();
      expect(part("facts").textContent).toBe("the end");
    });
  });

  describe("in the output of a notebook", () => {
    let area: HTMLElement;
    let child: HTMLElement;
    let close: () => void;
    const replace = (html: string): void => {
      el.remove();
      const output = document.createElement("div");
      output.className = "jp-OutputArea-output";
      output.innerHTML = html;
      child.append(output);
      close();
    };

    beforeEach(() => {
      area = document.createElement("div");
      area.className = "jp-OutputArea";
      child = document.createElement("div");
      child.className = "jp-OutputArea-child";
      Object.defineProperty(area, "offsetHeight", { value: 321 });
      document.body.replaceChildren(area);
      area.append(child);
      child.append(el);
      close = start();
    });

    it("holds the height for the swap, for a second", () => {
      model.message({ kind: "ended" });
      expect(area.style.minHeight).toBe("321px");
      vi.advanceTimersByTime(600);
      replace("");
      vi.advanceTimersByTime(600);
      expect(area.style.minHeight).toBe("321px");
      vi.advanceTimersByTime(600);
      expect(area.style.minHeight).toBe("");
    });

    it("leaves the answer in sight until the final Markdown is there, and an open reasoning open", async () => {
      model.message({ kind: "delta", seq: 1, text: "words", reasoning: "hm" });
      frame();
      (part("reasoning") as HTMLDetailsElement).open = true;
      model.message({ kind: "ended", footer: "the end" });
      replace("");
      expect(area.lastElementChild!.textContent).toContain("words");
      expect(area.lastElementChild!.hasAttribute("inert")).toBe(true);
      child.lastElementChild!.innerHTML = "<details><summary>Reasoning</summary>hm</details><p>words</p>";
      await vi.advanceTimersByTimeAsync(0);
      expect(area.querySelector(".cnai-answer")).toBeNull();
      expect([area.style.position, area.querySelector("details")!.open]).toEqual(["", true]);
      expect(document.querySelector(".cnai-holder")).toBeNull();
    });

    it("goes after a second where nothing comes", () => {
      model.message({ kind: "delta", seq: 1, text: "words", reasoning: "" });
      frame();
      model.message({ kind: "ended" });
      replace("");
      expect(area.querySelector(".cnai-answer")).not.toBeNull();
      vi.advanceTimersByTime(1100);
      expect(area.querySelector(".cnai-answer")).toBeNull();
    });

    it("goes at once where nothing had come", () => {
      replace("");
      expect(area.querySelector(".cnai-answer")).toBeNull();
    });
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
