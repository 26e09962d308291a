/**
 * Prompts that were running when their page was left, kept in the browser for the page that opens their notebook next.
 *
 * They are taken once: of two pages that open the notebook, one takes up their answers.
 */

import { asList, asRecord, asText, isId } from "./facts";

/** A prompt that was running, and what its cell had shown of this run by then. */
export interface LeftRun {
  readonly message: string;
  readonly cell: string;
  readonly since: number;
  readonly count: number | null;
  readonly outputs: readonly object[];
}

const PREFIX = "cnai-magic:left:";
// Longer outputs are left to the kernel; older notes are of kernels that are long gone.
const MOST_CHARACTERS = 200_000;
const OLDEST = 24 * 3600 * 1000;
const MESSAGE = /^[\w-]{1,100}$/;

export function leaveRuns(kernel: string, path: string, runs: readonly LeftRun[]): void {
  forgetOld();
  let left = MOST_CHARACTERS;
  const kept = runs.map((run) => {
    left -= JSON.stringify(run.outputs).length;
    return left < 0 ? { ...run, outputs: [] } : run;
  });
  localStorage.setItem(name(kernel, path), JSON.stringify({ time: Date.now(), runs: kept }));
}

/** The runs that were left of a notebook; they are another page's no more. */
export function takeRuns(kernel: string, path: string): LeftRun[] {
  const found = localStorage.getItem(name(kernel, path));
  if (found === null) return [];
  localStorage.removeItem(name(kernel, path));
  return asList(asRecord(parse(found)).runs).flatMap(readRun);
}

function name(kernel: string, path: string): string {
  return `${PREFIX}${kernel}:${path}`;
}

function readRun(value: unknown): LeftRun[] {
  const { message, cell, since, count, outputs } = asRecord(value);
  if (!isId(cell) || !MESSAGE.test(asText(message))) return [];
  const [began, number] = [since, count].map((each) => (typeof each === "number" ? each : null));
  return [{ message: asText(message), cell, since: began ?? 0, count: number ?? null, outputs: asList(outputs).map(asRecord) }];
}

function forgetOld(): void {
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(PREFIX)) continue;
    const { time } = asRecord(parse(localStorage.getItem(key) ?? ""));
    if (typeof time !== "number" || Math.abs(Date.now() - time) > OLDEST) localStorage.removeItem(key);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
