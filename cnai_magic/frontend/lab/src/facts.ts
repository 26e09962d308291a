/** What an output says of its answer. A notebook may come from anybody: what is not as it should be is not there. */

export const PAGE_TYPE = "application/vnd.cnai+json";
export const WIDGET_TYPE = "application/vnd.jupyter.widget-view+json";

/** IDs of cells, turns and answers, as the kernel takes them. */
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const MOST_ATTEMPTS = 1000;
const LONGEST_NAME = 200;

export interface Facts {
  readonly id: string;
  readonly conversation: string;
  readonly turn: string;
  /** The answers of all attempts that the output knows, this one among them, in their order. */
  readonly attempts: readonly string[];
  /** What the footer says of stale answers below; "" where it says nothing of them. */
  readonly staleRemark: string;
}

export function isId(value: unknown): value is string {
  return typeof value === "string" && ID.test(value);
}

/** The facts of an output; null where they are not sound, or the answer has no place in a conversation. */
export function readFacts(value: unknown): Facts | null {
  const { id, conversation, turn_id: turn, attempts, stale_remark } = asRecord(value);
  if (!isId(id) || !isId(turn) || typeof conversation !== "string" || conversation.length > LONGEST_NAME) return null;
  if (!Array.isArray(attempts) || attempts.length > MOST_ATTEMPTS || !attempts.every(isId)) return null;
  return attempts.includes(id) ? { id, conversation, turn, attempts, staleRemark: asText(stale_remark) } : null;
}

/** Compared answers of which none is kept, by their numbers; `again`: those that failed may be asked again. */
export interface Compared {
  readonly id: string;
  readonly numbers: readonly number[];
  readonly again: boolean;
}

/** What an output says of compared answers; null where it is not sound, or shows something else. */
export function readCompared(value: unknown): Compared | null {
  const { compared: id, numbers, again } = asRecord(value);
  if (!isId(id) || !Array.isArray(numbers) || numbers.length > MOST_ATTEMPTS) return null;
  if (!numbers.every((each) => Number.isSafeInteger(each) && each > 0)) return null;
  return { id, numbers: [...new Set(numbers as number[])], again: again === true };
}

/** The members of an object; of anything else none. */
export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

export function asText(value: unknown): string {
  return typeof value === "string" ? value : "";
}

export function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The answer alone, of an output that has its footer below it. */
export function readAnswer(data: unknown, metadata: unknown): string {
  const about = asRecord(asRecord(metadata).cnai);
  if (typeof about.text === "string") return about.text;
  const [plain, footer] = [asText(asRecord(data)["text/plain"]), asText(about.footer)];
  return footer && plain.endsWith(footer) ? plain.slice(0, -footer.length).trim() : plain;
}

/** The question of an answer, where the latest attempt that is kept beside it was asked another one; else "". */
export function readOtherQuestion(metadata: unknown): string {
  const about = asRecord(asRecord(metadata).cnai);
  const number = ({ attempt }: Record<string, unknown>): number => (typeof attempt === "number" ? attempt : 0);
  let latest = about;
  for (const each of asList(about.others).map(asRecord)) if (number(each) > number(latest)) latest = each;
  const question = asText(about.prompt).trim();
  return asText(latest.prompt).trim() === question ? "" : question;
}

const OPENING = /^ {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)/;
const CLOSING = /^ {0,3}(`{3,}|~{3,})[ \t]*$/;
const PYTHON = /^(i?python3?|py3?)$/i;

/** The Python in the fenced blocks of an answer; "" where there is none. */
export function findPython(text: string): string {
  const found: string[] = [];
  let [fence, language, code] = ["", "", [] as string[]];
  const end = (): void => {
    if (PYTHON.test(language) && code.some((line) => line.trim())) found.push(code.join("\n").replace(/^\n+/, "").trimEnd());
    [fence, language, code] = ["", "", []];
  };
  for (const line of text.split("\n")) {
    const closing = CLOSING.exec(line)?.[1] ?? "";
    if (!fence) [, fence = "", language = ""] = OPENING.exec(line) ?? [];
    else if (closing.startsWith(fence)) end();
    else code.push(line);
  }
  end();
  return found.join("\n\n");
}
