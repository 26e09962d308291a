/** A growing text in pieces. `edition` changes where it is no longer what it was before, only longer. */
export class GrowingText {
  edition = 0;
  readonly pieces: string[] = [];

  get whole(): string {
    return this.pieces.join("");
  }

  get empty(): boolean {
    return this.pieces.length === 0;
  }

  push(piece: string): void {
    if (piece !== "") this.pieces.push(piece);
  }

  become(text: string): void {
    const before = this.whole;
    if (text.startsWith(before)) return this.push(text.slice(before.length));
    this.edition += 1;
    this.pieces.length = 0;
    this.push(text);
  }
}
