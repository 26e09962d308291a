import { expect, test } from "vitest";

import { describeOrder, type ExecutingKernel, keepIds, noteRun, sendOrder } from "../src/order";

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
    { cellId: "c", trusted: true, cnai: { cells: ["a", "c"], without_output: [0], recorded: [], path: "folder/notebook.ipynb", document: expect.stringMatching(/^\w+$/) } },
    "another",
  ]);
});

test("cells that show nothing are named, unless they run or wait to", async () => {
  const outputs = (length: number): { length: number } => ({ length });
  const cells = [
    { id: "a", type: "code", outputs: outputs(1) },
    { id: "b", type: "code", outputs: outputs(1) },
    { id: "text", type: "markdown" },
    { id: "c", type: "code", outputs: outputs(0) },
    { id: "d", type: "code", outputs: outputs(1) },
  ];
  const notebook = { localPath: "n", model: { cells } };
  let end: (reply: object) => void = () => undefined;
  const done = new Promise<object>((resolve) => (end = resolve));
  const sent: number[][] = [];
  const connection: ExecutingKernel = {
    requestExecute: (_content, _disposeOnDone, metadata) => {
      sent.push((metadata as { cnai: { without_output: number[] } }).cnai.without_output);
      return { done };
    },
  };
  sendOrder(connection, notebook);
  expect(describeOrder(notebook)).toMatchObject({ cells: ["a", "b", "c", "d"], without_output: [2] });
  connection.requestExecute({}, false, { cellId: "c" });
  // JupyterLab clears a cell before it asks for it.
  cells[0]!.outputs = outputs(0);
  connection.requestExecute({}, false, { cellId: "a" });
  connection.requestExecute({}, false, { cellId: "d" });
  expect(sent).toEqual([[], [], []]);
  // Below a cell that failed none is run.
  end({ content: { status: "aborted" } });
  await done;
  await Promise.resolve();
  expect(describeOrder(notebook).without_output).toEqual([0, 2]);
  const ended = noteRun(notebook, "a");
  expect(describeOrder(notebook).without_output).toEqual([2]);
  ended();
  expect(describeOrder(notebook).without_output).toEqual([0, 2]);
});

test("cells that show answers and changes are named; copies with the names of what another cell shows", () => {
  const show = (...records: object[]): { length: number; get(index: number): object } => ({
    length: records.length,
    get: (index) => ({ metadata: records[index] }),
  });
  const answer = (id: string, cell: string): object => ({ cnai: { id, cell, turn: 1 } });
  const cells = [
    { id: "text", type: "markdown" },
    { id: "a", type: "code", outputs: show({}, answer("1", "a")) },
    { id: "b", type: "code", outputs: show({ cnai: { event: "use", time: "today", kept: { cell: "a", time: "now" } } }) },
    { id: "c", type: "code", outputs: show(answer("3", "a"), answer("4", "a")) },
    { id: "d", type: "code", outputs: { length: 1 } },
    { id: "e", type: "code", outputs: show({ cnai: { id: "2", cell: "e", turn: 0 } }) },
    { id: "f", type: "code", outputs: show(...["compared", "rate", "rows"].map((event) => ({ cnai: { event } }))) },
    { id: "g", type: "code", outputs: show({ cnai: "forged" }, { cnai: 1 }, { cnai: null }, { cnai: { id: { toString: 1 }, turn: 1 } }) },
    { id: "h", type: "code", outputs: show({ cnai: { event: "compared", id: "5", kept: { cell: "a", time: "now" } } }) },
    { id: "i", type: "code", outputs: show({ cnai: { event: "compared", id: "6", kept: { cell: "i", time: "now" } } }) },
  ];
  const { recorded } = describeOrder({ localPath: "n", model: { cells } });
  const forged = [6, { toString: 1 }, undefined];
  expect(recorded).toEqual([0, [1, "today", "now"], [2, "3", undefined, "4", undefined], forged, [7, "5", "now"]]);
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
