/** Observers that the page of these tests does not have; they observe nothing. */

class Observer {
  observe(): void {}
  disconnect(): void {}
}
Object.assign(globalThis, { ResizeObserver: Observer, IntersectionObserver: Observer });
