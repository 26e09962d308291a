/** Whether a text that comes in pieces may be one JSON value: such an answer is shown as code. */

const LITERALS = ["true", "false", "null", "NaN", "Infinity", "-Infinity"];
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const BEGUN_NUMBER = /^-?(?:(?:0|[1-9]\d*)(?:\.\d*)?(?:\d[eE][+-]?\d*)?)?$|^-?\d+(?:\.\d+)?[eE][+-]?\d*$/;
const SPACE = /[ \t\n\r]/;

type Expected = "value" | "value or end" | "key" | "key or end" | "colon" | "comma or end" | "nothing";

export class JsonText {
  /** Whether nothing has come that JSON cannot hold. */
  possible = true;
  private readonly open: string[] = [];
  private expected: Expected = "value";
  private inString = false;
  private escaped = false;
  private word = "";
  private begun = false;

  /** Whether the text is complete. */
  get complete(): boolean {
    return this.possible && this.begun && this.expected === "nothing" && this.word === "";
  }

  feed(piece: string): void {
    for (let at = 0; at < piece.length && this.possible; at += 1) this.possible = this.take(piece[at]!);
  }

  private take(character: string): boolean {
    if (this.inString) return this.takeInString(character);
    if (/[\w+\-.]/.test(character)) {
      this.word += character;
      const { word } = this;
      return this.begun && this.expects("value") && (LITERALS.some((each) => each.startsWith(word)) || BEGUN_NUMBER.test(word));
    }
    if (this.word !== "") {
      if (!LITERALS.includes(this.word) && !NUMBER.test(this.word)) return false;
      this.word = "";
      this.endValue();
    }
    return SPACE.test(character) ? this.begun : this.takeMark(character);
  }

  private takeInString(character: string): boolean {
    if (character < " ") return false;
    if (this.escaped) this.escaped = false;
    else if (character === "\\") this.escaped = true;
    else if (character === '"') {
      this.inString = false;
      if (this.expects("key")) this.expected = "colon";
      else this.endValue();
    }
    return true;
  }

  private takeMark(character: string): boolean {
    switch (character) {
      case '"':
        this.inString = this.begun && (this.expects("value") || this.expects("key"));
        return this.inString;
      case "{":
      case "[":
        if (!this.expects("value")) return false;
        this.begun = true;
        this.open.push(character);
        this.expected = character === "{" ? "key or end" : "value or end";
        return true;
      case "}":
      case "]":
        if (!this.expected.endsWith("or end") || this.open.pop() !== (character === "}" ? "{" : "[")) return false;
        this.endValue();
        return true;
      case ":":
        if (this.expected !== "colon") return false;
        this.expected = "value";
        return true;
      case ",":
        if (this.expected !== "comma or end") return false;
        this.expected = this.open[this.open.length - 1] === "{" ? "key" : "value";
        return true;
      default:
        return false;
    }
  }

  private expects(what: "value" | "key"): boolean {
    return this.expected.startsWith(what);
  }

  private endValue(): void {
    this.expected = this.open.length ? "comma or end" : "nothing";
  }
}
