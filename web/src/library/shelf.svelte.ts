/** The library's graphs as the page holds them: listed, changed, deleted and brought back. */

import { graph, graphs, importGraph, Refused, remove, rename, restore } from "../api/client.ts";
import { on } from "../api/events.ts";
import type { GraphEntry } from "../api/types.ts";
import { toasts } from "../parts/toasts.svelte.ts";

export interface RefusedFile {
  file: string;
  sentence: string;
}

const MOST_TOLD = 48;

export class Shelf {
  entries = $state.raw<GraphEntry[]>([]);
  state = $state.raw<"loading" | "ready" | "gone">("loading");
  /** Why the list could not be had. */
  reason = $state.raw("");
  importing = $state.raw<{ file: string; place: number; of: number } | null>(null);
  refused = $state.raw<RefusedFile[]>([]);
  private deleted: { entry: GraphEntry; toast: number }[] = [];

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
    this.take(entry.id, { ...entry, name: wanted });
    try {
      this.take(entry.id, await rename(entry.id, wanted));
    } catch (problem) {
      this.take(entry.id, entry);
      toasts.warn(problem);
    }
  }

  async remove(entry: GraphEntry): Promise<void> {
    this.take(entry.id, null);
    try {
      await remove(entry.id);
    } catch (problem) {
      if (problem instanceof Refused && problem.status === 404) return;
      this.take(entry.id, entry);
      toasts.warn(problem);
      return;
    }
    const toast = toasts.tell(`Deleted “${shortened(entry.name)}”.`, {
      label: "Undo",
      run: () => void this.restore(entry),
    });
    this.deleted.push({ entry, toast });
  }

  /** Bring back what was deleted last; says which graph, or null where nothing is left to undo. */
  async undo(): Promise<string | null> {
    const last = this.deleted.at(-1);
    if (!last) return null;
    toasts.close(last.toast);
    await this.restore(last.entry);
    return last.entry.id;
  }

  private async restore(entry: GraphEntry): Promise<void> {
    this.deleted = this.deleted.filter((each) => each.entry.id !== entry.id);
    try {
      this.take(entry.id, await restore(entry.id));
    } catch (problem) {
      toasts.warn(problem);
    }
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
