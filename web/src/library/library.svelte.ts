/** The library's graphs as the page holds them: listed, changed, deleted and brought back. */

import { graph, graphs, importGraph, Refused, remove, rename, restore } from "../api/client.ts";
import { on } from "../api/events.ts";
import type { GraphEntry } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";

export interface RefusedFile {
  file: string;
  sentence: string;
}

/** What was done to a graph, and how to take it back; each says whether it came about. */
interface Deed {
  readonly id: string;
  readonly redo: () => Promise<boolean>;
  readonly undo: () => Promise<boolean>;
}

const MOST_TOLD = 48;

export class Library {
  entries = $state.raw<GraphEntry[]>([]);
  state = $state.raw<"loading" | "ready" | "gone">("loading");
  /** Why the list could not be had. */
  reason = $state.raw("");
  importing = $state.raw<{ file: string; place: number; of: number } | null>(null);
  refused = $state.raw<RefusedFile[]>([]);
  private done: Deed[] = [];
  private undone: Deed[] = [];
  private turn: Promise<boolean> = Promise.resolve(true);
  /** Of the last deletion. */
  private toast = 0;

  /** Load the list and keep it up to date, until the returned function is called. */
  follow(): () => void {
    void this.load();
    const ends = [
      on("connected", () => void this.load()),
      on("library", ({ graph: id, what }) => {
        if (what === "deleted") this.take(id, null);
        else void this.fetch(id);
      }),
    ];
    return () => ends.forEach((end) => end());
  }

  async load(): Promise<void> {
    try {
      this.entries = await graphs();
      this.state = "ready";
    } catch (problem) {
      this.reason = sentence(problem);
      if (this.state === "loading") this.state = "gone";
    }
  }

  async rename(entry: GraphEntry, name: string): Promise<void> {
    const wanted = name.trim();
    if (!wanted || wanted === entry.name) return;
    const call = (text: string) => () =>
      this.change(entry.id, { ...entry, name: text }, () => rename(entry.id, text));
    await this.perform({ id: entry.id, redo: call(wanted), undo: call(entry.name) });
  }

  async remove(entry: GraphEntry): Promise<void> {
    const deed: Deed = {
      id: entry.id,
      redo: () => this.delete(entry, deed),
      undo: () => this.change(entry.id, entry, () => restore(entry.id)),
    };
    await this.perform(deed);
  }

  /** Take the last deed back; says which graph it was about, or null where nothing is left to undo. */
  async undo(): Promise<string | null> {
    const deed = this.done.at(-1);
    if (deed) await this.takeBack(deed);
    return deed?.id ?? null;
  }

  async redo(): Promise<string | null> {
    const deed = this.undone.pop();
    if (!deed) return null;
    this.done.push(deed);
    await this.inTurn(deed.redo);
    return deed.id;
  }

  private async perform(deed: Deed): Promise<void> {
    this.done.push(deed);
    this.undone = [];
    if (!(await this.inTurn(deed.redo))) this.done = this.done.filter((each) => each !== deed);
  }

  private async takeBack(deed: Deed): Promise<void> {
    if (!this.done.includes(deed)) return;
    this.done = this.done.filter((each) => each !== deed);
    this.undone.push(deed);
    await this.inTurn(() => {
      toasts.close(this.toast);
      return deed.undo();
    });
  }

  /** After all that was asked before. */
  private inTurn(work: () => Promise<boolean>): Promise<boolean> {
    this.turn = this.turn.then(work);
    return this.turn;
  }

  /** Show what an entry becomes, and then what the server says it is; as it was where that fails. */
  private async change(id: string, wanted: GraphEntry, ask: () => Promise<GraphEntry>): Promise<boolean> {
    const before = this.entries.find((each) => each.id === id) ?? null;
    this.take(id, wanted);
    try {
      this.take(id, await ask());
      return true;
    } catch (problem) {
      this.take(id, before);
      toasts.warn(problem);
      return false;
    }
  }

  private async delete(entry: GraphEntry, deed: Deed): Promise<boolean> {
    this.take(entry.id, null);
    try {
      await remove(entry.id);
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 404) return false;
      this.take(entry.id, entry);
      toasts.warn(problem);
      return false;
    }
    this.toast = toasts.tell(`Deleted “${shortened(entry.name)}”.`, {
      label: "Undo",
      run: () => void this.takeBack(deed),
    });
    return true;
  }

  /** Import files one after the other; says the id of the last graph that came of them. */
  async importFiles(files: readonly File[]): Promise<string | null> {
    if (this.importing || !files.length) return null;
    this.refused = [];
    let last: string | null = null;
    let count = 0;
    for (const [place, file] of files.entries()) {
      this.importing = { file: file.name, place: place + 1, of: files.length };
      try {
        const entry = await importGraph(file);
        this.take(entry.id, entry);
        last = entry.id;
        count++;
      } catch (problem) {
        this.refused = [...this.refused, { file: file.name, sentence: sentence(problem) }];
      }
    }
    this.importing = null;
    if (count) toasts.tell(count === 1 ? "Imported one graph." : `Imported ${count} graphs.`);
    return last;
  }

  private async fetch(id: string): Promise<void> {
    try {
      this.take(id, await graph(id));
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 404) this.take(id, null);
    }
  }

  /** Put an entry in the place of what was known of this graph. */
  private take(id: string, entry: GraphEntry | null): void {
    const known = this.entries.some((each) => each.id === id);
    if (!entry) this.entries = this.entries.filter((each) => each.id !== id);
    else if (known) this.entries = this.entries.map((each) => (each.id === id ? entry : each));
    else this.entries = [entry, ...this.entries];
  }
}

export const shortened = (text: string, most = MOST_TOLD): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;

const sentence = (problem: unknown): string => (problem instanceof Error ? problem.message : String(problem));
