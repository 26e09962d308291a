import { expect, test } from "vitest";

import { sendOrder } from "../src/order";

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
    { cellId: "c", trusted: true, cnai: { cells: ["a", "c"], path: "folder/notebook.ipynb" } },
    "another",
  ]);
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
