/** What `graph.summarize()` and `graph.suggest_groups()` say in Python, as the server hands it on. */

export interface SummaryGroup {
  name: string;
  kind: "feature" | "token" | "target" | "error";
  /** Node ids. */
  members: string[];
  /** Of the influence on all nodes but targets. */
  share: number;
  weight: number;
  layer: number;
  layers: [number, number];
  position: number;
  positions: [number, number];
  words: string[];
  /** Whether a person made it. */
  own: boolean;
  color: string | null;
}

export interface Suggestion {
  name: string;
  members: string[];
  reason: string;
}

export interface Summary {
  groups: SummaryGroup[];
  shown: number;
  in_no_group: number;
  through_errors: number;
  pruned: number;
}
