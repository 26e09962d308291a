/**
 * The change from the live answer to the final Markdown, whose output is empty until the notebook has rendered it:
 * until then the output keeps its height and the answer stays as it was last drawn; an open reasoning stays open.
 */

// Milliseconds after which the answer goes even where nothing has taken its place.
export const PATIENCE = 1000;

interface Position {
  area: HTMLElement;
  height: number;
  index: number;
  top: number;
  left: number;
  width: number;
}

export class Handover {
  private position: Position | null = null;
  private readonly observer: ResizeObserver;

  constructor(private readonly element: HTMLElement) {
    // The view hears of its removal when it is already gone, so its position is noted as it grows.
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(element);
  }

  /** Keep the output's height for a moment. */
  keepHeight(): void {
    this.measure();
    if (this.position?.area.isConnected) keepHeight(this.position.area, this.position.height);
  }

  /** Leave the answer in sight until what replaces it is there; calls back then. */
  leave(reasoningOpen: boolean, done: () => void): void {
    this.observer.disconnect();
    this.keepHeight();
    const { element, position } = this;
    if (position === null || !position.area.isConnected || position.index < 0) return this.remove(done);
    const { area, index } = position;
    const restore = pinTo(position, element);
    const next = (): HTMLElement | undefined => listOutputs(area)[index];
    const finish = (): void => {
      observer.disconnect();
      clearTimeout(timer);
      restore();
      const fold = next()?.querySelector("details");
      if (reasoningOpen && fold) fold.open = true;
      this.remove(done);
    };
    const observer = new MutationObserver(() => {
      if (next()?.textContent?.trim()) finish();
    });
    const timer = setTimeout(finish, PATIENCE);
    observer.observe(area, { childList: true, subtree: true });
  }

  /** Take the answer away at once, and keep the output's height for a moment. */
  skip(done: () => void): void {
    this.observer.disconnect();
    this.keepHeight();
    this.remove(done);
  }

  private remove(done: () => void): void {
    this.element.remove();
    done();
  }

  private measure(): void {
    const { element } = this;
    const area = element.closest<HTMLElement>(".jp-OutputArea");
    if (!element.isConnected || area === null || area.offsetHeight === 0) return;
    const [own, outer] = [element.getBoundingClientRect(), area.getBoundingClientRect()];
    const index = listOutputs(area).findIndex((each) => each.contains(element));
    const top = own.top - outer.top + area.scrollTop;
    this.position = { area, height: area.offsetHeight, index, top, left: own.left - outer.left, width: own.width };
  }
}

/** Show the answer where it was, without a part in the layout; returns what undoes that for the area. */
function pinTo({ area, top, left, width }: Position, element: HTMLElement): () => void {
  element.setAttribute("inert", "");
  element.setAttribute("aria-hidden", "true");
  Object.assign(element.style, { position: "absolute", top: `${top}px`, left: `${left}px`, width: `${width}px` });
  const before = area.style.position;
  area.style.position = "relative";
  area.append(element);
  return () => void (area.style.position = before);
}

/** The outputs of an area, each with its prompt. */
function listOutputs(area: HTMLElement): HTMLElement[] {
  return [...area.children].filter((each): each is HTMLElement => each.classList.contains("jp-OutputArea-child"));
}

const timers = new WeakMap<HTMLElement, ReturnType<typeof setTimeout>>();

function keepHeight(area: HTMLElement, height: number): void {
  clearTimeout(timers.get(area));
  area.style.minHeight = `${height}px`;
  timers.set(
    area,
    setTimeout(() => {
      area.style.removeProperty("min-height");
      timers.delete(area);
    }, PATIENCE),
  );
}
