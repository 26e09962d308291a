/** The outline of conversations: each with what it cost, its turns, and what can be done with it. */

import { InputDialog } from "@jupyterlab/apputils";
import type { NotebookPanel } from "@jupyterlab/notebook";
import { LabIcon } from "@jupyterlab/ui-components";
import type { Message } from "@lumino/messaging";
import { Widget } from "@lumino/widgets";

import { make } from "../../src/nodes";
import { changeKernel } from "./change_kernel";
import { asList, asRecord, asText } from "./facts";
import { findCell, goTo } from "./notebook_cells";
import { getState, type NotebookState } from "./notebook_state";
import { fill, type Words } from "./words";

const icon = new LabIcon({
  name: "cnai-magic:conversations",
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3 jp-icon-selectable" ' +
    'fill="#616161" d="M4 3h12a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H9l-4 4v-4H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm16 5a2 2 0 0 1 ' +
    '2 2v6a2 2 0 0 1-2 2h-1v3l-3-3h-5l2-2h5a2 2 0 0 0 2-2z"/></svg>',
});

export class OutlinePanel extends Widget {
  private panel: NotebookPanel | null = null;
  private state: NotebookState | null = null;
  private asking = 0;

  constructor(private readonly words: Words) {
    super();
    this.id = "cnai-magic:conversations";
    this.addClass("cnai-outline");
    this.title.icon = icon;
    this.title.caption = words("Conversations");
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", words("Conversations"));
  }

  /** Show the conversations of this notebook. */
  follow(panel: NotebookPanel | null): void {
    this.state?.changed.disconnect(this.refresh, this);
    this.panel = panel;
    this.state = panel && getState(panel);
    this.state?.changed.connect(this.refresh, this);
    this.refresh();
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.refresh();
  }

  /** Ask for the outline, where somebody sees it. */
  private refresh(): void {
    if (!this.isVisible) return;
    void this.ask(++this.asking);
  }

  private async ask(number: number): Promise<void> {
    const answer = (await this.state?.ask({ do: "outline" })) ?? null;
    if (number !== this.asking) return;
    const found = asList(answer?.content.conversations).map(asRecord);
    const stale = new Set(this.state?.current?.stale.flatMap(({ turns }) => [...turns.keys()]));
    const focused = document.activeElement?.closest("[data-cnai-key]")?.getAttribute("data-cnai-key");
    const list = make("ul");
    for (const each of found) list.append(this.makeConversation(each, stale));
    const none = make("p", "cnai-outline-none");
    none.textContent = this.words("This notebook has no conversation in a running kernel.");
    this.node.replaceChildren(found.length ? list : none);
    if (focused) this.node.querySelector<HTMLElement>(`[data-cnai-key="${CSS.escape(focused)}"]`)?.focus();
  }

  private makeConversation(about: Record<string, unknown>, stale: ReadonlySet<string>): HTMLElement {
    const { words } = this;
    const [name, count] = [asText(about.name), Number(about.count)];
    const item = make("li", "cnai-outline-conversation");
    const head = make("div", "cnai-outline-head");
    const title = make("h3");
    title.textContent = name;
    if (about.in_use === true) item.classList.add("cnai-outline-in-use");
    const facts = make("span", "cnai-outline-facts");
    const turns = count === 1 ? words("1 turn") : fill(words("{count} turns"), { count });
    const origin = about.origin ? fill(words("from {name}"), { name: asText(about.origin) }) : "";
    const use = about.in_use === true ? words("in use") : "";
    facts.textContent = [use, origin, turns, count ? this.describeCost(about) : ""].filter(Boolean).join(" · ");
    head.append(title, facts);
    const actions = make("div", "cnai-outline-actions");
    if (about.in_use !== true) actions.append(this.makeAction(words("Use"), name, () => this.change({ do: "use", conversation: name })));
    if (count) {
      actions.append(this.makeAction(words("Fork"), name, () => this.fork(name)));
      actions.append(this.makeAction(words("Export"), name, () => this.export(name)));
    }
    const list = make("ol");
    for (const each of asList(about.turns).map(asRecord)) list.append(this.makeTurn(name, each, stale));
    item.append(head, actions, list);
    return item;
  }

  private makeTurn(conversation: string, about: Record<string, unknown>, stale: ReadonlySet<string>): HTMLElement {
    const { words } = this;
    const [turn, number] = [asText(about.turn), Number(about.number)];
    const item = make("li");
    const go = make("button", "cnai-outline-turn");
    go.type = "button";
    go.dataset.cnaiKey = `${conversation} ${turn}`;
    const [place, question, facts] = [make("span"), make("span"), make("span", "cnai-outline-facts")];
    place.textContent = String(number);
    question.textContent = asText(about.question);
    const attempts = Number(about.attempts) > 1 ? fill(words("{count} attempts"), { count: Number(about.attempts) }) : "";
    const isStale = stale.has(turn);
    facts.textContent = [isStale ? words("stale") : "", this.describeCost(about), attempts].filter(Boolean).join(" · ");
    go.classList.toggle("cnai-outline-stale", isStale);
    go.append(place, question, facts);
    go.addEventListener("click", () => this.goTo(asText(about.cell)));
    const fork = this.makeAction(words("Fork"), `${conversation} ${number}`, () => this.fork(conversation, { number, turn }));
    fork.setAttribute("aria-label", fill(words("Fork after turn {number} of {name}"), { number, name: conversation }));
    item.append(go, fork);
    return item;
  }

  private describeCost({ tokens, cost }: Record<string, unknown>): string {
    const { words } = this;
    const credit = /^demo credit (.+)$/.exec(asText(cost))?.[1];
    const money = credit ? fill(words("demo credit {spent}"), { spent: credit }) : words(asText(cost));
    return `${fill(words("{count} tokens"), { count: Number(tokens).toLocaleString("en-US") })} · ${money}`;
  }

  private makeAction(label: string, of: string, press: () => unknown): HTMLButtonElement {
    const button = make("button", "cnai-outline-action");
    button.type = "button";
    button.textContent = label;
    button.setAttribute("aria-label", `${label}: ${of}`);
    button.dataset.cnaiKey = `${label} ${of}`;
    button.addEventListener("click", () => void press());
    return button;
  }

  private goTo(id: string): void {
    const { panel } = this;
    const cell = panel && findCell(panel, id);
    if (panel && cell) void goTo(panel, cell);
  }

  private async change(request: { do: string; [field: string]: unknown }): Promise<void> {
    if (this.panel) await changeKernel(this.panel, request);
  }

  private async fork(conversation: string, at?: { number: number; turn: string }): Promise<void> {
    const title = at === undefined ? this.words("Fork {name}") : this.words("Fork {name} after turn {at}");
    const options = { title: fill(title, { name: conversation, at: at?.number ?? 0 }), label: this.words("Name of the fork (empty: chat-2, chat-3, …)") };
    const { button, value } = await InputDialog.getText({ ...options, okLabel: this.words("Fork") });
    if (button.accept) await this.change({ do: "fork", conversation, name: (value ?? "").trim(), turn: at?.turn });
  }

  private async export(conversation: string): Promise<void> {
    const { value } = await InputDialog.getText({
      title: fill(this.words("Export {name}"), { name: conversation }),
      label: this.words("File in the notebook’s folder: .md, .ipynb or .json"),
      text: `${conversation}.md`,
      okLabel: this.words("Export"),
    });
    if (value?.trim()) await this.change({ do: "export", conversation, path: value.trim() });
  }
}
