/**
 * Scrolling while an answer grows: a reader at its end stays at its end, and the status line stays in the window, for
 * which the output boxes around the answer must not scroll by themselves.
 */

// So many pixels below the window's edge still count as being at the end.
const NEAR = 8;
const UNSCROLLED = "cnai-holder";

/** Keeps the end of an answer in sight where it was. */
export class EndFollower {
  private top = 0;
  private left = false;

  constructor(private readonly element: HTMLElement) {}

  /** Let the answer grow, and scroll to its end if that was in sight. */
  follow<Result>(grow: () => Result): Result {
    const follows = this.isAtEnd();
    const result = grow();
    if (follows) this.showEnd();
    return result;
  }

  private isAtEnd(): boolean {
    if (!this.element.isConnected) return false;
    const box = findScrollingBox(this.element);
    const inSight = this.element.getBoundingClientRect().bottom <= measureLowerEdge(box) + NEAR;
    // A page that scrolls smoothly is still near its end when the reader has already left.
    if (box.scrollTop < this.top - 1) this.left = true;
    else if (inSight && box.scrollTop > this.top + 1) this.left = false;
    this.top = box.scrollTop;
    return inSight && !this.left;
  }

  private showEnd(): void {
    const box = findScrollingBox(this.element);
    const below = this.element.getBoundingClientRect().bottom - measureLowerEdge(box);
    if (below > 0) box.scrollTop += Math.ceil(below);
    this.top = box.scrollTop;
  }
}

/** Keep the output boxes around an element from scrolling by themselves; returns what undoes it. */
export function keepBoxesFromScrolling(element: HTMLElement): () => void {
  const boxes: HTMLElement[] = [];
  for (let each = element.parentElement; each !== null; each = each.parentElement) {
    if (each.matches(".jp-OutputArea-output, .jp-OutputArea-child, .jp-OutputArea")) {
      each.classList.add(UNSCROLLED);
      boxes.push(each);
    }
    if (each.classList.contains("jp-OutputArea")) break;
  }
  return () => {
    for (const each of boxes) if (each.querySelector(".cnai-answer") === null) each.classList.remove(UNSCROLLED);
  };
}

/** The nearest box around an element that scrolls up and down. */
function findScrollingBox(element: HTMLElement): Element {
  for (let each = element.parentElement; each !== null; each = each.parentElement) {
    if (each.scrollHeight > each.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  }
  return document.scrollingElement ?? document.documentElement;
}

function measureLowerEdge(box: Element): number {
  if (box === document.scrollingElement) return window.innerHeight;
  return box.getBoundingClientRect().top + box.clientTop + box.clientHeight;
}
