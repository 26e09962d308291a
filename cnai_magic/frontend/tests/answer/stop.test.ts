import { describe, expect, it, vi } from "vitest";
import { buildInterruptRequest } from "../../src/answer/interrupt";
import { PATIENCE, StopControl } from "../../src/answer/stop";

function made(interrupt: () => Promise<boolean> | null = () => Promise.resolve(true)) {
  let pending: (() => void) | null = null;
  let waited = 0;
  const effects = {
    send: vi.fn(),
    interrupt: vi.fn(interrupt),
    settled: vi.fn(),
    after: (milliseconds: number, action: () => void) => {
      waited = milliseconds;
      pending = action;
      return () => (pending = null);
    },
  };
  const pass = async (): Promise<void> => {
    pending?.();
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  return { stop: new StopControl(effects), effects, pass, waited: () => waited };
}

describe("Stop", () => {
  it("asks the kernel, and interrupts where nothing comes back in time", async () => {
    const { stop, effects, pass, waited } = made();
    stop.press();
    expect(effects.send).toHaveBeenCalledTimes(1);
    expect([stop.state, waited()]).toEqual(["asked", PATIENCE]);
    await pass();
    expect(effects.interrupt).toHaveBeenCalledTimes(1);
    expect(stop.state).toBe("stopping");
  });

  it("does not interrupt what was acknowledged", async () => {
    const { stop, effects, pass } = made();
    stop.press();
    stop.acknowledge();
    await pass();
    expect(effects.interrupt).not.toHaveBeenCalled();
    expect(stop.state).toBe("stopping");
  });

  it("never interrupts after the end", async () => {
    const { stop, effects, pass } = made();
    stop.press();
    stop.end();
    await pass();
    stop.press();
    stop.acknowledge();
    expect(effects.interrupt).not.toHaveBeenCalled();
    expect([stop.state, effects.send.mock.calls.length]).toEqual(["over", 1]);
  });

  it("says at the end that no interrupt will follow, once one that is under way has gone out", async () => {
    let taken: (value: boolean) => void = () => undefined;
    const { stop, effects, pass } = made(() => new Promise((resolve) => (taken = resolve)));
    stop.press();
    await pass();
    stop.end();
    await pass();
    expect(effects.settled).not.toHaveBeenCalled();
    taken(true);
    await pass();
    expect(effects.settled).toHaveBeenCalledTimes(1);
    expect(stop.state).toBe("over");
  });

  it("says so at once where none was sent, and not at all where the kernel heard or nobody pressed", async () => {
    const [unheard, heard, idle] = [made(), made(), made()];
    unheard.stop.press();
    heard.stop.press();
    heard.stop.acknowledge();
    for (const each of [unheard, heard, idle]) {
      each.stop.end();
      await each.pass();
    }
    expect([unheard, heard, idle].map((each) => each.effects.settled.mock.calls.length)).toEqual([1, 0, 0]);
  });

  it("does no harm when pressed again and again", async () => {
    const { stop, effects, pass } = made();
    for (let press = 0; press < 5; press += 1) stop.press();
    await pass();
    for (let press = 0; press < 5; press += 1) stop.press();
    expect([effects.send.mock.calls.length, effects.interrupt.mock.calls.length]).toEqual([1, 1]);
  });

  it.each([
    ["there is no way", () => null],
    ["the server refuses", () => Promise.resolve(false)],
    ["the request fails", () => Promise.reject(new Error("offline"))],
  ])("says so where %s, and may be tried again", async (_, interrupt) => {
    const { stop, effects, pass } = made(interrupt);
    stop.press();
    await pass();
    expect(stop.state).toBe("unreachable");
    stop.press();
    expect(effects.send).toHaveBeenCalledTimes(2);
  });

  it("stays over when the server answers late", async () => {
    let answer: (taken: boolean) => void = () => undefined;
    const { stop, pass } = made(() => new Promise((resolve) => (answer = resolve)));
    stop.press();
    await pass();
    expect(stop.state).toBe("interrupting");
    stop.end();
    answer(false);
    await pass();
    expect(stop.state).toBe("over");
  });
});

describe("the request that interrupts", () => {
  const page = { configuration: '{"baseUrl": "/user/x/"}', bodyBaseUrl: undefined, cookie: "a=1; _xsrf=2|3; b=4", location: "https://hub.example/user/x/lab" };

  it("goes to the kernel of this server", () => {
    expect(buildInterruptRequest(page, "ab-1")).toEqual({ url: "https://hub.example/user/x/api/kernels/ab-1/interrupt", headers: { "X-XSRFToken": "2|3" } });
    expect(buildInterruptRequest({ ...page, configuration: null, bodyBaseUrl: "/" }, "k")?.url).toBe("https://hub.example/api/kernels/k/interrupt");
    expect(buildInterruptRequest({ ...page, cookie: "" }, "k")?.headers).toEqual({});
  });

  it.each([
    [{ ...page, configuration: null }, "k"],
    [{ ...page, configuration: "no JSON" }, "k"],
    [{ ...page, configuration: '{"baseUrl": "https://evil.example/"}' }, "k"],
    [{ ...page, configuration: '{"baseUrl": "//evil.example/"}' }, "k"],
    [{ ...page, location: "vscode-webview://x/index.html" }, "k"],
    [page, ""],
    [page, "../sessions"],
  ])("is not made where it cannot be right %#", (where, kernel) => {
    expect(buildInterruptRequest(where, kernel)).toBeNull();
  });
});
