/**
 * Keeps what is seen across the swap for the final Markdown, whose output is empty until the notebook has
 * rendered it: the output's height, the answer as it was last drawn, and an open reasoning.
 */

export const HOLD = 1000;

interface Place {
  area: HTMLElement;
  height: number;
  index: number;
  top: number;
  left: number;
  width: number;
}

export class OutputHold {
  private place: Place | null = null;
  private observer: ResizeObserver | null = null;

  constructor(private readonly element: HTMLElement) {
    if (typeof ResizeObserver === "undefined") return;
    // The view is told of its removal when it is gone already, so its place is noted as it grows.
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(element);
  }

  measure(): void {
    const { element } = this;
    const area = element.isConnected ? element.closest<HTMLElement>(".jp-OutputArea, .output_area, .cell-output") : null;
    const height = area?.offsetHeight ?? 0;
    if (area === null || height === 0) return;
    const [own, outer] = [element.getBoundingClientRect(), area.getBoundingClientRect()];
    const index = outputs(area).findIndex((each) => each.contains(element));
    const top = own.top - outer.top + area.scrollTop;
    this.place = { area, height, index, top, left: own.left - outer.left, width: own.width };
  }

  /** Keep the output's height for a moment. */
  hold(): void {
    this.measure();
    if (this.place?.area.isConnected) holdHeight(this.place.area, this.place.height);
  }

  stop(): void {
    this.observer?.disconnect();
  }

  /** Leave the answer in sight until what replaces it is there; calls back then. */
  handOver(open: boolean, done: () => void): void {
    this.stop();
    this.hold();
    const { element, place } = this;
    if (place === null || !place.area.isConnected || place.index < 0) {
      element.remove();
      return done();
    }
    const { area } = place;
    element.setAttribute("inert", "");
    element.setAttribute("aria-hidden", "true");
    const { top, left, width } = place;
    Object.assign(element.style, { position: "absolute", top: `${top}px`, left: `${left}px`, width: `${width}px` });
    const unplaced = area.style.position;
    area.style.position = "relative";
    area.append(element);
    const next = (): HTMLElement | undefined => outputs(area)[place.index];
    const observer = new MutationObserver(() => {
      if (next()?.textContent?.trim()) finish();
    });
    const timer = setTimeout(() => finish(), HOLD);
    const finish = (): void => {
      observer.disconnect();
      clearTimeout(timer);
      element.remove();
      area.style.position = unplaced;
      const fold = next()?.querySelector("details");
      if (open && fold) fold.open = true;
      done();
    };
    observer.observe(area, { childList: true, subtree: true });
  }
}

/** The outputs of an area, each with its prompt. */
function outputs(area: HTMLElement): HTMLElement[] {
  return [...area.children].filter((each): each is HTMLElement => each.classList.contains("jp-OutputArea-child"));
}

const timers = new WeakMap<HTMLElement, ReturnType<typeof setTimeout>>();

function holdHeight(area: HTMLElement, height: number): void {
  clearTimeout(timers.get(area));
  area.style.minHeight = `${height}px`;
  timers.set(
    area,
    setTimeout(() => {
      area.style.removeProperty("min-height");
      timers.delete(area);
    }, HOLD),
  );
}
