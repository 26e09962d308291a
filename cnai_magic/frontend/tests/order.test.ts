import { expect, test } from "vitest";

import { describeOrder, type ExecutingKernel, keepIds, sendOrder } from "../src/order";

function kernel(): { requestExecute(...request: unknown[]): unknown[] } {
  return { requestExecute: (...request) => request };
}

const context = {
  localPath: "folder/notebook.ipynb",
  model: {
    cells: [
      { id: "a", type: "code" },
      { id: "b", type: "markdown" },
      { id: "c", type: "code" },
    ],
  },
};

test("a request to run a cell carries the order of the cells of code, and keeps what it had", () => {
  const connection = kernel();
  sendOrder(connection, context);
  expect(connection.requestExecute({ code: "1" }, false, { cellId: "c", trusted: true }, "another")).toEqual([
    { code: "1" },
    false,
    { cellId: "c", trusted: true, cnai: { cells: ["a", "c"], path: "folder/notebook.ipynb", document: expect.stringMatching(/^\w+$/) } },
    "another",
  ]);
});

test("a cell whose outputs were cleared is left out until it runs again", async () => {
  const outputs = (length: number): { length: number } => ({ length });
  const cells = [..."abc"].map((id) => ({ id, type: "code", outputs: outputs(1) }));
  const notebook = { localPath: "n", model: { cells } };
  const list = (): string => describeOrder(notebook).cells.join("");
  let end: (reply: object) => void = () => undefined;
  const done = new Promise<object>((resolve) => (end = resolve));
  const sent: string[] = [];
  const connection: ExecutingKernel = {
    requestExecute: (_content, _disposeOnDone, metadata) => {
      sent.push((metadata as { cnai: { cells: string[] } }).cnai.cells.join(""));
      return { done };
    },
  };
  sendOrder(connection, notebook);
  expect(list()).toBe("abc");
  cells[0]!.outputs = outputs(0);
  expect(list()).toBe("bc");
  // What runs, or waits for others, shows nothing yet.
  cells[1]!.outputs = outputs(0);
  connection.requestExecute({}, false, { cellId: "b" });
  connection.requestExecute({}, false, { cellId: "a" });
  expect(sent).toEqual(["bc", "abc"]);
  // It may show something, and take that back.
  cells[0]!.outputs = outputs(1);
  expect(list()).toBe("abc");
  cells[0]!.outputs = outputs(0);
  expect(list()).toBe("abc");
  cells[0]!.outputs = outputs(1);
  end({ content: { status: "ok" } });
  await done;
  await Promise.resolve();
  expect(list()).toBe("abc");
  cells[0]!.outputs = outputs(0);
  expect(list()).toBe("bc");
  // Runs of one cell after the other, of which the first fails.
  const aborted: ExecutingKernel = { requestExecute: () => ({ done: Promise.resolve({ content: { status: "aborted" } }) }) };
  sendOrder(aborted, notebook);
  aborted.requestExecute({}, false, { cellId: "b" });
  expect(list()).toBe("bc");
  await new Promise((resolve) => setTimeout(resolve));
  expect(list()).toBe("c");
});

test("a document keeps its name where its path changes", () => {
  const notebook = { ...context };
  const before = describeOrder(notebook);
  notebook.localPath = "renamed.ipynb";
  expect(describeOrder(notebook)).toEqual({ ...before, path: "renamed.ipynb" });
  expect(describeOrder({ ...context }).document).not.toBe(before.document);
});

test("a language that was chosen for the page is sent with it", () => {
  const sent = ["zh_CN", "en", "default", ""].map((language) => {
    const connection = kernel();
    sendOrder(connection, context, language);
    const [, , metadata] = connection.requestExecute({}, false, { cellId: "a" }) as [unknown, unknown, { cnai: { language?: string } }];
    return metadata.cnai.language;
  });
  expect(sent).toEqual(["zh_CN", undefined, undefined, undefined]);
});

test("what runs no cell is sent as it was", () => {
  const connection = kernel();
  sendOrder(connection, context);
  expect(connection.requestExecute({ code: "" }, true)).toEqual([{ code: "" }, true, undefined]);
  expect(connection.requestExecute({ code: "" }, true, { silent: true })[2]).toEqual({ silent: true });
});

test("extension and widget wrap a connection once", () => {
  const connection = kernel();
  sendOrder(connection, context);
  const wrapped = connection.requestExecute;
  sendOrder(connection, context);
  expect(connection.requestExecute).toBe(wrapped);
});

test("a cell runs without an order where its document is gone", () => {
  const connection = kernel();
  sendOrder(connection, {
    localPath: "",
    get model(): never {
      throw new Error("disposed");
    },
  });
  expect(connection.requestExecute({}, false, { cellId: "a" })).toEqual([{}, false, { cellId: "a" }]);
});

test("a file of a format that has no IDs of cells keeps them from now on", () => {
  const formats = [[4, 4], [4, 5], [4, 6], [5, 0]].map(([nbformat, nbformat_minor]) => ({ nbformat, nbformat_minor }));
  for (const sharedModel of formats) keepIds({ localPath: "n", model: { sharedModel } });
  expect(formats.map((each) => each.nbformat_minor)).toEqual([5, 5, 6, 0]);
  keepIds({ localPath: "n", model: {} });
});
