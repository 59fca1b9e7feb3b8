/** The library's state: its graphs, listed, renamed, deleted, restored and imported, with undo. */

import {
  graph,
  graphs,
  importGraph,
  Refused,
  remove,
  rename as renameGraph,
  restore,
} from "../api/client.ts";
import { on } from "../api/events.ts";
import type { GraphEntry } from "../api/types.ts";
import { messageOf, plural, shortened } from "../format/numbers.ts";
import { toasts } from "../app/toasts.svelte.ts";

export interface RefusedFile {
  file: string;
  reason: string;
}

/** A change of one graph that undo takes back; both functions resolve to whether they succeeded. */
interface GraphChange {
  readonly id: string;
  readonly redo: () => Promise<boolean>;
  readonly undo: () => Promise<boolean>;
}

export class Library {
  entries = $state.raw<GraphEntry[]>([]);
  state = $state.raw<"loading" | "ready" | "gone">("loading");
  /** A sentence on why the list could not be loaded. */
  reason = $state.raw("");
  importing = $state.raw<{ file: string; place: number; of: number } | null>(null);
  refused = $state.raw<RefusedFile[]>([]);
  private done: GraphChange[] = [];
  private undone: GraphChange[] = [];
  /** The last request to the server: changes wait for those before them. */
  private queue: Promise<boolean> = Promise.resolve(true);
  /** The toast of the last deletion. */
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
      this.reason = messageOf(problem);
      if (this.state === "loading") this.state = "gone";
    }
  }

  async rename(entry: GraphEntry, name: string): Promise<void> {
    const wanted = name.trim();
    if (!wanted || wanted === entry.name) return;
    const rename = (text: string) => () =>
      this.update(entry.id, { ...entry, name: text }, () => renameGraph(entry.id, text));
    await this.perform({ id: entry.id, redo: rename(wanted), undo: rename(entry.name) });
  }

  async remove(entry: GraphEntry): Promise<void> {
    const change: GraphChange = {
      id: entry.id,
      redo: () => this.delete(entry, change),
      undo: () => this.update(entry.id, entry, () => restore(entry.id)),
    };
    await this.perform(change);
  }

  /** Take the last change back; resolves to the id of its graph, or null where nothing is left to undo. */
  async undo(): Promise<string | null> {
    const change = this.done.at(-1);
    if (change) await this.takeBack(change);
    return change?.id ?? null;
  }

  async redo(): Promise<string | null> {
    const change = this.undone.pop();
    if (!change) return null;
    this.done.push(change);
    await this.inTurn(change.redo);
    return change.id;
  }

  private async perform(change: GraphChange): Promise<void> {
    this.done.push(change);
    this.undone = [];
    if (!(await this.inTurn(change.redo))) this.done = this.done.filter((each) => each !== change);
  }

  private async takeBack(change: GraphChange): Promise<void> {
    if (!this.done.includes(change)) return;
    this.done = this.done.filter((each) => each !== change);
    this.undone.push(change);
    await this.inTurn(() => {
      toasts.close(this.toast);
      return change.undo();
    });
  }

  /** Do this after all that was asked before. */
  private inTurn(work: () => Promise<boolean>): Promise<boolean> {
    this.queue = this.queue.then(work);
    return this.queue;
  }

  /** Show an entry as it will be, then as the server answers; where that fails, as it was. */
  private async update(id: string, wanted: GraphEntry, ask: () => Promise<GraphEntry>): Promise<boolean> {
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

  private async delete(entry: GraphEntry, change: GraphChange): Promise<boolean> {
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
      run: () => void this.takeBack(change),
    });
    return true;
  }

  /** Import files one after the other; resolves to the id of the last graph that was made. */
  async importFiles(files: readonly File[]): Promise<string | null> {
    if (this.importing || !files.length) return null;
    this.refused = [];
    let last: string | null = null;
    let imported = 0;
    for (const [place, file] of files.entries()) {
      this.importing = { file: file.name, place: place + 1, of: files.length };
      try {
        const entry = await importGraph(file);
        this.take(entry.id, entry);
        last = entry.id;
        imported++;
      } catch (problem) {
        this.refused = [...this.refused, { file: file.name, reason: messageOf(problem) }];
      }
    }
    this.importing = null;
    if (imported) toasts.tell(`Imported ${plural(imported, "graph")}.`);
    return last;
  }

  private async fetch(id: string): Promise<void> {
    try {
      this.take(id, await graph(id));
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 404) this.take(id, null);
    }
  }

  /** Put an entry into the list, in the place of the graph's old one; null removes it. */
  private take(id: string, entry: GraphEntry | null): void {
    const isListed = this.entries.some((each) => each.id === id);
    if (!entry) this.entries = this.entries.filter((each) => each.id !== id);
    else if (isListed) this.entries = this.entries.map((each) => (each.id === id ? entry : each));
    else this.entries = [entry, ...this.entries];
  }
}
