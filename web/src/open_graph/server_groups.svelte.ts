/** The server's overview of one graph: its summary in groups, and groups that it suggests. */

import { suggestions as fetchSuggestions, summary as fetchSummary } from "../api/client.ts";
import type { SuggestionAnswer, SummaryAnswer } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";
import { messageOf } from "../format/numbers.ts";
import type { Annotations } from "./annotations.svelte.ts";
import type { GraphView } from "./graph_view.svelte.ts";
import type { UndoHistory } from "./undo_history.svelte.ts";

/** Milliseconds without a further change before the summary is fetched again. */
const PAUSE = 250;

export class ServerGroups {
  summary = $state.raw<SummaryAnswer | null>(null);
  /** A sentence on why there is no summary. */
  failure = $state("");
  suggestions = $state.raw<SuggestionAnswer[]>([]);
  /** Declined suggestions, by their members. */
  declined = $state.raw<ReadonlySet<string>>(new Set());
  private readonly history: UndoHistory;

  constructor(history: UndoHistory) {
    this.history = history;
  }

  decline(suggestion: string, name: string): void {
    const before = this.declined;
    const after = new Set([...before, suggestion]);
    this.history.act({
      text: `decline “${name}”`,
      undo: () => (this.declined = before),
      redo: () => (this.declined = after),
    });
  }

  /** Keep the summary in step with thresholds and groups; to be called while a component is set up. */
  follow(id: string, view: GraphView, annotations: Annotations): void {
    $effect(() => {
      const [nodes, edges] = [view.nodeThreshold, view.edgeThreshold];
      void annotations.groups;
      let current = true;
      const load = async () => {
        await annotations.settled();
        try {
          const summary = await fetchSummary(id, nodes, edges);
          if (current) [this.summary, this.failure] = [summary, ""];
        } catch (error) {
          if (current) this.failure = messageOf(error);
        }
      };
      const timer = setTimeout(() => void load(), this.summary ? PAUSE : 0);
      return () => {
        current = false;
        clearTimeout(timer);
      };
    });

    // Suggestions take the server a while, so that they are fetched when the groups are looked at.
    const wantsSuggestions = $derived(view.tab === "groups");
    $effect(() => {
      if (!wantsSuggestions || this.suggestions.length) return;
      fetchSuggestions(id).then(
        (suggestions) => (this.suggestions = suggestions),
        (error: unknown) => toasts.warn(error),
      );
    });
  }
}
