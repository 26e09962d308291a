/**
 * Where the reader is: an answer that grows takes along only who was at its end. And the status line stays in
 * the window, for which the output areas around it must not be scrolling boxes of their own.
 */

// So many pixels below the window's edge still count as being at the end.
const NEAR = 8;
const HOLDER = "cnai-holder";

export class Reader {
  private top = 0;
  private left = false;

  constructor(private readonly element: HTMLElement) {}

  /** Let the answer grow, and keep its end in sight where it was. */
  follow<Result>(grow: () => Result): Result {
    const follows = this.isAtEnd();
    const result = grow();
    if (follows) this.showEnd();
    return result;
  }

  private isAtEnd(): boolean {
    const box = scrollingBox(this.element);
    if (box === null || !this.element.isConnected) return false;
    const inSight = this.element.getBoundingClientRect().bottom <= lowerEdge(box) + NEAR;
    // A page that scrolls smoothly is still near its end when the reader has already left.
    if (box.scrollTop < this.top - 1) this.left = true;
    else if (inSight && box.scrollTop > this.top + 1) this.left = false;
    this.top = box.scrollTop;
    return inSight && !this.left;
  }

  private showEnd(): void {
    const box = scrollingBox(this.element);
    if (box === null) return;
    const hidden = this.element.getBoundingClientRect().bottom - lowerEdge(box);
    if (hidden > 0) box.scrollTop += Math.ceil(hidden);
    this.top = box.scrollTop;
  }
}

/** Keep the boxes of a notebook's output from scrolling by themselves; returns what undoes it. */
export function openBoxes(element: HTMLElement): () => void {
  const boxes: HTMLElement[] = [];
  for (let each = element.parentElement; each !== null; each = each.parentElement) {
    if (each.matches(".jp-OutputArea-output, .jp-OutputArea-child, .jp-OutputArea")) {
      each.classList.add(HOLDER);
      boxes.push(each);
    }
    if (each.classList.contains("jp-OutputArea")) break;
  }
  return () => {
    for (const each of boxes) if (each.querySelector(".cnai-answer") === null) each.classList.remove(HOLDER);
  };
}

/** The nearest box around an element that scrolls up and down. */
function scrollingBox(element: HTMLElement): HTMLElement | null {
  for (let each = element.parentElement; each !== null; each = each.parentElement) {
    if (each.scrollHeight > each.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  }
  return (document.scrollingElement as HTMLElement | null) ?? null;
}

function lowerEdge(box: HTMLElement): number {
  if (box === document.scrollingElement) return window.innerHeight;
  return box.getBoundingClientRect().top + box.clientTop + box.clientHeight;
}
