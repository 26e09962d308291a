/**
 * What every answer's widget carries: it fetches the bundle from the kernel's asset widget, once per page.
 *
 * `initialize` must not wait: anywidget gives up on a model that takes over two seconds. Until the bundle is
 * there, and where it cannot be had, the snapshot is shown as plain text.
 */

interface Model {
  get(name: string): unknown;
  on(event: string, listener: (value: unknown) => void): void;
  off(event: string, listener: (value: unknown) => void): void;
  widget_manager: { get_model(id: string): Promise<{ get(name: string): unknown }> };
}
interface Bundle {
  initialize(props: { model: Model; early: unknown[] }): void;
  render(props: { model: Model; el: HTMLElement }): () => void;
}

const page = globalThis as { __cnai_answer?: Map<unknown, Promise<Bundle>> };

async function load(model: Model): Promise<Bundle> {
  let asset;
  // After a reload of the page the asset may be restored later than the answer.
  for (let tries = 50; ; tries -= 1) {
    try {
      asset = await model.widget_manager.get_model(String(model.get("asset")).replace("IPY_MODEL_", ""));
      if (asset) break;
    } catch (error) {
      if (tries < 1) throw error;
    }
    if (tries < 1) throw new Error("no asset");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const bundles = (page.__cnai_answer ??= new Map());
  const digest = asset.get("digest");
  if (!bundles.has(digest)) {
    const url = URL.createObjectURL(new Blob([asset.get("bundle") as string], { type: "text/javascript" }));
    bundles.set(digest, import(url));
    bundles.get(digest)!.catch(() => bundles.delete(digest));
  }
  return bundles.get(digest)!;
}

// A function: each model has its own variables.
export default () => {
  let first: Model;
  let bundle: Promise<Bundle>;
  return {
    initialize({ model }: { model: Model }) {
      const early: unknown[] = [];
      const hear = (message: unknown) => void early.push(message);
      first = model;
      model.on("msg:custom", hear);
      bundle = load(model).finally(() => model.off("msg:custom", hear));
      bundle.then((each) => each.initialize({ model, early })).catch(() => {});
    },
    render({ model, el }: { model: Model; el: HTMLElement }) {
      let close: (() => void) | undefined;
      const plain = document.createElement("pre");
      plain.style.whiteSpace = "pre-wrap";
      const draw = () => (plain.textContent = (model.get("snapshot") as { text: string }).text);
      let leave: (() => void) | undefined = () => {
        model.off("change:snapshot", draw);
        plain.remove();
      };
      draw();
      model.on("change:snapshot", draw);
      el.append(plain);
      bundle
        .then((each) => {
          if (!leave) return;
          close = each.render({ model: first, el });
          leave();
        })
        .catch(() => {});
      return () => {
        leave?.();
        leave = undefined;
        close?.();
      };
    },
  };
};
