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

/** `share` is of all that flows into the target group from outside of it. */
export interface SummaryEdge {
  source: number;
  target: number;
  carried: number;
  effect: number;
  share: number;
}

export interface Suggestion {
  name: string;
  members: string[];
  reason: string;
}

export interface Summary {
  groups: SummaryGroup[];
  edges: SummaryEdge[];
  shown: number;
  in_no_group: number;
  through_errors: number;
  pruned: number;
}
