/** What an index of example texts says of one graph's features: its labels, and each feature when it is asked for. */

import { featureDetails, graphIndex, labelFeature, Refused, searchTexts } from "../api/client.ts";
import { on, type Events } from "../api/events.ts";
import type { FeatureRecord, IndexAbout, FeatureLabel, TextHit } from "../api/types.ts";
import { holds } from "../examples/example_texts.ts";
import type { EmbeddedIndex } from "./embedded_graph.ts";

/** The answer for one feature: empty while it is on its way. */
export interface Answer {
  details: FeatureRecord | null;
  /** A sentence on why there are none. */
  failure: string;
  /** Whether it may be otherwise when it is asked for again. */
  passing: boolean;
}

const COMING: Answer = { details: null, failure: "", passing: true };

export class FeatureIndex {
  index = $state.raw<IndexAbout | null>(null);
  labels = $state.raw<Record<string, FeatureLabel>>({});
  /** A sentence on why there is none, where one should be. */
  failure = $state("");
  private answers = $state.raw<ReadonlyMap<string, Answer>>(new Map());
  /** The features of a page that stands alone. */
  readonly embedded: Record<string, FeatureRecord> | null;

  private readonly graph: string | null;
  private readonly of: { model: string; dictionary: string };
  private readonly leave: (() => void)[] = [];
  private labelling: Promise<unknown> = Promise.resolve();

  constructor(
    graph: string | null,
    of: { model: string; dictionary: string },
    embedded: EmbeddedIndex | null = null,
  ) {
    this.graph = graph;
    this.of = of;
    this.embedded = graph === null ? (embedded?.features ?? {}) : null;
    if (embedded) this.take(embedded.index, embedded.labels);
  }

  /** Keep in step with other pages, and with what was missed while the server was away. */
  open(): void {
    if (this.graph === null) return;
    this.leave.push(
      on("label", (event) => this.heard(event)),
      on("connected", () => void this.fetch()),
    );
  }

  close(): void {
    for (const leave of this.leave.splice(0)) leave();
  }

  /** Ask for the index and its labels; what fails is kept as a sentence. */
  async fetch(): Promise<void> {
    if (this.graph === null) return;
    try {
      const { index, problem, labels } = await graphIndex(this.graph);
      this.take(index, labels);
      this.failure = problem ?? "";
    } catch (error) {
      this.failure = said(error);
    }
  }

  /** A feature as far as it is known; `ask` fetches it. */
  answer(name: string): Answer {
    return this.answers.get(name) ?? COMING;
  }

  /** Fetch a feature that is not known yet, such as `L12/403`. */
  async ask(name: string): Promise<void> {
    if (this.answers.get(name)?.details) return;
    if (this.embedded) return this.put(name, this.fromFile(this.embedded, name));
    try {
      this.put(name, { ...COMING, details: await featureDetails(this.graph!, ...placeOf(name)) });
    } catch (error) {
      const passing = !(error instanceof Refused && error.status === 404);
      this.put(name, { details: null, failure: said(error), passing });
    }
  }

  /** Call a feature something in the index, or (with an empty text) take that back; rejects where it cannot. */
  label(name: string, text: string): Promise<void> {
    const after = this.labelling.then(async () => {
      const { label } = await labelFeature(this.graph!, ...placeOf(name), text);
      this.call(name, label);
    });
    this.labelling = after.catch(() => {});
    return after;
  }

  /** Features whose label, tokens or texts hold all of some words. */
  async search(words: readonly string[]): Promise<TextHit[]> {
    if (!this.embedded) return searchTexts(this.graph!, words.join(" "));
    return Object.entries(this.embedded).flatMap(([feature, details]) => {
      const snippet = holds(details, this.labels[feature]?.text ?? "", words);
      return snippet === null ? [] : [{ feature, snippet }];
    });
  }

  private take(index: IndexAbout | null, labels: Record<string, FeatureLabel>): void {
    if (same([index, labels], [this.index, this.labels])) return;
    if (!same(index, this.index)) this.answers = new Map();
    this.index = index;
    this.labels = labels;
  }

  private heard({ model, dictionary, feature, label }: Events["label"]): void {
    if (this.of.model === model && this.of.dictionary === dictionary) this.call(feature, label);
  }

  private call(name: string, label: FeatureLabel | null): void {
    const { [name]: _, ...others } = this.labels;
    this.labels = label ? { ...others, [name]: label } : others;
  }

  private put(name: string, answer: Answer): void {
    this.answers = new Map([...this.answers, [name, answer]]);
  }

  private fromFile(features: Record<string, FeatureRecord>, name: string): Answer {
    const details = Object.hasOwn(features, name) ? features[name] : null;
    const count = Object.keys(features).length.toLocaleString("en");
    return {
      passing: false,
      details,
      failure: details
        ? ""
        : `This file has the texts of the ${count} features that matter most here; this is not one of them.`,
    };
  }
}

/** Layer and index of `L12/403`. */
function placeOf(name: string): [number, number] {
  const [layer, feature] = name.slice(1).split("/").map(Number);
  return [layer, feature];
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
