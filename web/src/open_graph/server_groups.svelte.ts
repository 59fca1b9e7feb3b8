/** The server's overview of one graph: its summary in groups, and groups that it suggests. */

import {
  story as fetchStory,
  suggestions as fetchSuggestions,
  summary as fetchSummary,
} from "../api/client.ts";
import type { SuggestionAnswer, SummaryAnswer } from "../api/types.ts";
import type { StoryAnswer } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";
import { messageOf } from "../format/numbers.ts";
import type { Annotations } from "./annotations.svelte.ts";
import type { GraphView } from "./graph_view.svelte.ts";
import type { UndoHistory } from "./undo_history.svelte.ts";

/** Milliseconds without a further change before the summary is fetched again. */
const PAUSE = 250;

export class ServerGroups {
  story = $state.raw<StoryAnswer | null>(null);
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

  /** Keep story and summary in step with thresholds and groups; to be called while a component is set up. */
  follow(id: string, view: GraphView, annotations: Annotations): void {
    // The summary is fetched when it is looked at; the panel speaks of the story in every view.
    const wantsSummary = $derived(view.mode === "summary");
    $effect(() => {
      const [nodes, edges] = [view.nodeThreshold, view.edgeThreshold];
      void annotations.groups;
      const both = wantsSummary;
      let current = true;
      const load = async () => {
        await annotations.settled();
        try {
          const [story, summary] = await Promise.all([
            fetchStory(id, nodes, edges),
            both ? fetchSummary(id, nodes, edges) : null,
          ]);
          if (current) [this.story, this.summary, this.failure] = [story, summary, ""];
        } catch (error) {
          if (current) this.failure = messageOf(error);
        }
      };
      const timer = setTimeout(() => void load(), this.story ? PAUSE : 0);
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
