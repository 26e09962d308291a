import { defineConfig } from "vitest/config";

// One page for all files of a worker: making one costs as much as most of the tests.
export default defineConfig({
  test: { environment: "jsdom", include: ["tests/**/*.test.ts", "lab/tests/**/*.test.ts"], setupFiles: ["tests/observers.ts"], pool: "threads", isolate: false, testTimeout: 60_000 },
});
