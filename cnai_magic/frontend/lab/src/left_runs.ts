/**
 * Prompts that are running, noted in the browser for the page that opens their notebook when this one is gone.
 *
 * A page notes them from their beginning, so that nothing is lost where it ends in a crash; while it lives it holds a
 * lock of the browser, by which others see that. They are taken once: of two pages that open the notebook, one takes
 * up their answers.
 */

import { asList, asRecord, asText, isId } from "./facts";

/** A prompt that was running, and what its cell had shown of this run by then. */
export interface LeftRun {
  readonly message: string;
  readonly cell: string;
  readonly since: number;
  readonly count: number | null;
  readonly outputs: readonly object[];
  /** The widget that shows its answer, once there is one. */
  readonly live: LiveWidget | null;
}

export interface LiveWidget {
  readonly comm: string;
  readonly header: Record<string, unknown>;
}

const PREFIX = "cnai-magic:left:";
// Longer outputs are left to the kernel; older notes are of kernels that are long gone.
const MOST_CHARACTERS = 200_000;
const OLDEST = 24 * 3600 * 1000;
const MESSAGE = /^[\w-]{1,100}$/;

// By this the page is known to others.
const PAGE = crypto.getRandomValues(new Uint32Array(4)).join("-");
let holding = false;

/** Note the runs of a notebook in place of those noted before. `left`: the page ends now, or its view of the notebook. */
export function noteRuns(kernel: string, path: string, runs: readonly LeftRun[], left: boolean): void {
  const key = `${PREFIX}${kernel}:${path}:${PAGE}`;
  if (!runs.length) return localStorage.removeItem(key);
  forgetOld();
  let characters = MOST_CHARACTERS;
  const kept = runs.map((run) => {
    characters -= JSON.stringify(run.outputs).length;
    return characters < 0 ? { ...run, outputs: [] } : run;
  });
  localStorage.setItem(key, JSON.stringify({ time: Date.now(), left, runs: kept }));
}

/** Let other pages see from now on that this one lives; false where the browser has no way to, as without https. */
export function holdPage(): boolean {
  if (!navigator.locks) return false;
  if (!holding) void navigator.locks.request(PREFIX + PAGE, () => new Promise(() => undefined));
  return (holding = true);
}

/** The runs of a notebook that other pages left, or that ended without leaving them; they are no other page's now. */
export async function takeRuns(kernel: string, path: string): Promise<LeftRun[]> {
  const prefix = `${PREFIX}${kernel}:${path}:`;
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix) && /^[\d-]+$/.test(key.slice(prefix.length)));
  if (!keys.length) return [];
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  const living = new Set(held.map((each) => each.name));
  return keys.flatMap((key) => {
    const { left, runs } = asRecord(parse(localStorage.getItem(key) ?? ""));
    if (left !== true && living.has(PREFIX + key.slice(prefix.length))) return [];
    localStorage.removeItem(key);
    return asList(runs).flatMap(readRun);
  });
}

function readRun(value: unknown): LeftRun[] {
  const { message, cell, since, count, outputs, live } = asRecord(value);
  if (!isId(cell) || !MESSAGE.test(asText(message))) return [];
  const [began, number] = [since, count].map((each) => (typeof each === "number" ? each : null));
  const { comm, header } = asRecord(live);
  return [
    {
      message: asText(message),
      cell,
      since: began ?? 0,
      count: number ?? null,
      outputs: asList(outputs).map(asRecord),
      live: MESSAGE.test(asText(comm)) ? { comm: asText(comm), header: asRecord(header) } : null,
    },
  ];
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
