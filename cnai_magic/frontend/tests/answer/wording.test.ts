import { expect, it } from "vitest";
import { AnswerStore, type Header, type Progress, type Status } from "../../src/answer/store";
import { writeAnnouncement, writeStatus } from "../../src/answer/wording";
import { chooseWords } from "../../src/answer/words";

const header: Header = { model: "m", turn: 2, attempt: 1, kernel_id: "" };
const progress: Progress = { tokens: 1031, thinking: 0, rate: 42.4, cost: "≈$0.0001" };

function store(status: Status, text = "", reasoning = ""): AnswerStore {
  const made = new AnswerStore(() => undefined, () => 0);
  made.takeStatus(status);
  made.takeMessage({ kind: "delta", seq: 1, text, reasoning });
  return made;
}

function said(made: AnswerStore, more?: Partial<Progress>, elapsed = 0): string {
  if (more) made.takeMessage({ kind: "progress", footer: "the end", ...progress, ...more });
  return writeStatus(header, made, elapsed);
}

it("names the model and the turn", () => {
  const waiting = store({ phase: "waiting" });
  expect(writeStatus(header, waiting, 0)).toBe("m · turn 2 · waiting 0 s");
  expect(writeStatus({ ...header, attempt: 3 }, waiting, 0)).toBe("m · turn 2, attempt 3 · waiting 0 s");
  expect(writeStatus({ ...header, turn: 0 }, waiting, 0)).toBe("m · waiting 0 s");
});

it("counts what is waited for", () => {
  expect(said(store({ phase: "waiting" }), undefined, 3200)).toContain("waiting 3 s");
  expect(said(store({ phase: "queued" }))).toContain("queued 0 s");
  expect(said(store({ phase: "prices" }))).toContain("waiting for prices 0 s");
  expect(said(store({ phase: "holds" }))).toContain("waiting for the budget 0 s");
  const retry = store({ phase: "retry", seconds: 4, why: "too many requests" });
  expect(said(retry, undefined, 0)).toContain("too many requests; trying again in 4 s");
  expect(said(retry, undefined, 3500)).toContain("too many requests; trying again in 1 s");
  expect(said(retry, undefined, 4100)).toContain("too many requests; trying again");
});

it("sums up what has come, only what is known", () => {
  const streaming = { phase: "streaming" } as const;
  expect(said(store(streaming, "text"))).toBe("m · turn 2");
  expect(said(store(streaming, "text"), {})).toBe("m · turn 2 · 1,031 tokens · 42/s · ≈$0.0001");
  expect(said(store(streaming, "text"), { thinking: 12, rate: 4.25, cost: "" })).toBe(
    "m · turn 2 · 1,031 tokens (12 thinking) · 4.3/s",
  );
  expect(said(store(streaming, "", "hm"), { tokens: 1, thinking: 1, rate: 0, cost: "unpriced" })).toBe(
    "m · turn 2 · thinking · 1 token · unpriced",
  );
});

it("is the footer at the end", () => {
  const ended = store({ phase: "streaming" }, "text");
  ended.takeMessage({ kind: "ended", footer: "all of it" });
  expect(said(ended)).toBe("all of it");
});

it("reads out each phase, without seconds that change", () => {
  expect(writeAnnouncement(store({ phase: "waiting" }), "idle")).toBe("Waiting for the answer");
  expect(writeAnnouncement(store({ phase: "waiting" }, "text"), "idle")).toBe("The answer is arriving");
  const retry = store({ phase: "retry", seconds: 4, why: "too many requests" });
  expect(writeAnnouncement(retry, "idle")).toBe("too many requests; trying again");
  const streaming = store({ phase: "streaming" });
  expect(writeAnnouncement(streaming, "asked")).toBe("Stopping");
  expect(writeAnnouncement(streaming, "unreachable")).toContain("Interrupt button");
  streaming.takeMessage({ kind: "ended" });
  expect(writeAnnouncement(streaming, "unreachable")).toBe("The answer is complete");
});

it("says what is left where the kernel was lost", () => {
  const [some, none] = [store({ phase: "streaming" }, "text"), store({ phase: "waiting" })];
  some.takeMessage({ kind: "progress", footer: "the end", ...progress });
  some.loseKernel("restarted");
  none.loseKernel("gone");
  expect(writeStatus(header, some, 0)).toBe("m · turn 2 · kernel restarted: the answer above is all that arrived");
  expect([writeStatus(header, none, 0), writeAnnouncement(none, "over")]).toEqual(["m · turn 2 · kernel gone: nothing had arrived", "kernel gone: nothing had arrived"]);
});

it("speaks the kernel's language", () => {
  const chinese = { ...header, language: "zh" };
  const streaming = store({ phase: "streaming" }, "text");
  streaming.takeMessage({ kind: "progress", footer: "the end", ...progress, thinking: 12 });
  expect(writeStatus(chinese, streaming, 0)).toBe("m · 第 2 轮 · 1,031 tokens（思考 12） · 42 tokens/秒 · ≈$0.0001");
  expect(writeStatus({ ...chinese, attempt: 3 }, store({ phase: "queued" }), 3200)).toBe("m · 第 2 轮第 3 次 · 排队中 3 秒");
  expect(writeAnnouncement(store({ phase: "waiting" }), "idle", chooseWords("zh"))).toBe("正在等待回答");
  expect(writeStatus({ ...header, language: "tlh" }, store({ phase: "waiting" }), 0)).toBe("m · turn 2 · waiting 0 s");
});
