import { expect, it } from "vitest";
import { announcement, footline, headline, waiting } from "../src/wording";

it("names the model and where the answer belongs", () => {
  expect(headline({ model: "m", conversation: "main", turn: 2 })).toBe("m · main, turn 2");
  expect(headline({ model: "m", conversation: "main", turn: 0 })).toBe("m · once");
  expect(headline({})).toBe("once");
});

it("counts what is waited for", () => {
  expect(waiting({ phase: "waiting" }, 3200)).toBe("waiting 3 s");
  expect(waiting({ phase: "queued" }, 0)).toBe("queued 0 s");
  const retry = { phase: "retry", seconds: 4, why: "too many requests" } as const;
  expect(waiting(retry, 0)).toBe("too many requests; trying again in 4 s");
  expect(waiting(retry, 3500)).toBe("too many requests; trying again in 1 s");
  expect(waiting(retry, 4100)).toBe("too many requests; trying again");
  expect(waiting({ phase: "streaming" }, 9)).toBe("");
});

it("reads out each phase, without seconds that change", () => {
  expect(announcement({ phase: "waiting" }, "idle")).toBe("Waiting for the answer");
  expect(announcement({ phase: "streaming" }, "asked")).toBe("Stopping");
  expect(announcement({ phase: "streaming" }, "unreachable")).toContain("Interrupt button");
  expect(announcement({ phase: "done" }, "unreachable")).toBe("The answer is complete");
});

it("sums up below, only what is known", () => {
  const footer = { tokens: 31, rate: 42.4, first_token: 0.82, cost: "$0.0001", total: "$0.0132" };
  expect(footline(footer, undefined)).toBe("31 tokens · 42 tokens/s · first token 0.8 s · $0.0001 · this notebook $0.0132");
  expect(footline({ ...footer, rate: 0, first_token: null, cost: "unpriced", total: "1 unpriced" }, undefined)).toBe(
    "31 tokens · unpriced · this notebook 1 unpriced",
  );
  expect(footline(footer, "the end")).toBe("the end");
  expect(footline(null, undefined)).toBe("");
});
