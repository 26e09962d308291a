/** Draws at most once a frame, and leaves most of the time to the page where drawing is slow. */
export class FrameSchedule {
  private frame = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private earliest = 0;

  /** `draw` returns whether something is left to draw. */
  constructor(private readonly draw: () => boolean) {}

  request(): void {
    if (this.frame || this.timer !== undefined) return;
    const delay = this.earliest - performance.now();
    if (delay <= 0) this.frame = requestAnimationFrame(() => this.run());
    else {
      this.timer = setTimeout(() => {
        this.timer = undefined;
        this.frame = requestAnimationFrame(() => this.run());
      }, delay);
    }
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.timer);
    this.frame = 0;
    this.timer = undefined;
  }

  private run(): void {
    this.frame = 0;
    const begin = performance.now();
    const more = this.draw();
    const cost = performance.now() - begin;
    // A drawing that takes 10 ms is followed by 30 ms of rest.
    this.earliest = cost > 6 && !more ? begin + 4 * cost : 0;
    if (more) this.request();
  }
}
