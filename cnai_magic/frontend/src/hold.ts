/**
 * Keeps the output area as high as it is across the swap for the final Markdown, which is empty for a moment:
 * without that the page jumps.
 */

export const HOLD = 1000;

export class HeightHold {
  private area: HTMLElement | null = null;
  private height = 0;
  private observer: ResizeObserver | null = null;

  constructor(private readonly element: HTMLElement) {
    if (typeof ResizeObserver === "undefined") return;
    // The view is told of its removal when it is gone already, so the height is noted as it grows.
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(element);
  }

  measure(): void {
    if (!this.element.isConnected) return;
    this.area ??= this.element.closest<HTMLElement>(".jp-OutputArea, .output_area, .cell-output");
    const height = this.area?.offsetHeight ?? 0;
    if (height > 0) this.height = height;
  }

  hold(): void {
    this.measure();
    const { area } = this;
    if (area === null || !area.isConnected || this.height === 0) return;
    holdArea(area, this.height);
  }

  stop(): void {
    this.observer?.disconnect();
  }
}

const timers = new WeakMap<HTMLElement, ReturnType<typeof setTimeout>>();

function holdArea(area: HTMLElement, height: number): void {
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
