/** The index of example texts, as far as it is about one graph: labels at once, each feature when asked for. */

import { parseFeature } from "../graph/feature.ts";
import { messageOf, count } from "../format/numbers.ts";
import { featureDetails, graphIndex, labelFeature, Refused, searchTexts } from "../api/client.ts";
import { on, type Events } from "../api/events.ts";
import type { FeatureRecordAnswer, IndexAbout, FeatureLabel, TextHit } from "../api/types.ts";
import { matchingText } from "../examples/example_texts.ts";
import type { EmbeddedIndex } from "./embedded_graph.ts";

/** The answer for one feature; empty until it arrives. */
export interface Answer {
  details: FeatureRecordAnswer | null;
  /** A sentence on why there are no details. */
  failure: string;
  /** True where asking again may help. */
  canRetry: boolean;
}

const PENDING: Answer = { details: null, failure: "", canRetry: true };

export class FeatureIndex {
  index = $state.raw<IndexAbout | null>(null);
  labels = $state.raw<Record<string, FeatureLabel>>({});
  /** A sentence on why an index that should be there is not. */
  failure = $state("");
  /** A sentence about an index behind another first token; empty for none. */
  note = $state("");
  private answers = $state.raw<ReadonlyMap<string, Answer>>(new Map());
  /** The features of a page that was exported as one file. */
  readonly embedded: Record<string, FeatureRecordAnswer> | null;

  private readonly graph: string | null;
  private readonly of: { model: string; dictionary: string };
  private readonly leave: (() => void)[] = [];
  /** The last label that was sent: labels are sent one after the other. */
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

  /** Keep in step with other pages, also after the server was away. */
  open(): void {
    if (this.graph === null) return;
    this.leave.push(
      on("label", (event) => this.onLabel(event)),
      on("connected", () => void this.fetch()),
    );
  }

  close(): void {
    for (const leave of this.leave.splice(0)) leave();
  }

  /** Fetch the index and its labels; a failure is kept as a sentence. */
  async fetch(): Promise<void> {
    if (this.graph === null) return;
    try {
      const { index, problem, labels, note } = await graphIndex(this.graph);
      this.take(index, labels);
      this.note = note;
      this.failure = problem ?? "";
    } catch (error) {
      this.failure = messageOf(error);
    }
  }

  /** The answer for a feature such as `L12/403`, as far as it is fetched. */
  answer(name: string): Answer {
    return this.answers.get(name) ?? PENDING;
  }

  /** Fetch a feature, unless that is done. */
  async fetchFeature(name: string): Promise<void> {
    if (this.answers.get(name)?.details) return;
    if (this.embedded) return this.put(name, this.fromFile(this.embedded, name));
    try {
      this.put(name, { ...PENDING, details: await featureDetails(this.graph!, parseFeature(name)) });
    } catch (error) {
      const canRetry = !(error instanceof Refused && error.status === 404);
      this.put(name, { details: null, failure: messageOf(error), canRetry });
    }
  }

  /** Label a feature in the index, or remove a person's label (empty text); rejects where the index refuses it. */
  label(name: string, text: string): Promise<void> {
    const after = this.labelling.then(async () => {
      const { label } = await labelFeature(this.graph!, parseFeature(name), text);
      this.setLabel(name, label);
    });
    this.labelling = after.catch(() => {});
    return after;
  }

  /** Features with all of some words in their labels, tokens or texts. */
  async search(words: readonly string[]): Promise<TextHit[]> {
    if (!this.embedded) return searchTexts(this.graph!, words.join(" "));
    return Object.entries(this.embedded).flatMap(([feature, details]) => {
      const snippet = matchingText(details, this.labels[feature]?.text ?? "", words);
      return snippet === null ? [] : [{ feature, snippet }];
    });
  }

  private take(index: IndexAbout | null, labels: Record<string, FeatureLabel>): void {
    if (same([index, labels], [this.index, this.labels])) return;
    if (!same(index, this.index)) this.answers = new Map();
    this.index = index;
    this.labels = labels;
  }

  private onLabel({ model, dictionary, feature, label }: Events["label"]): void {
    if (this.of.model === model && this.of.dictionary === dictionary) this.setLabel(feature, label);
  }

  private setLabel(name: string, label: FeatureLabel | null): void {
    const { [name]: _, ...others } = this.labels;
    this.labels = label ? { ...others, [name]: label } : others;
  }

  private put(name: string, answer: Answer): void {
    this.answers = new Map([...this.answers, [name, answer]]);
  }

  private fromFile(features: Record<string, FeatureRecordAnswer>, name: string): Answer {
    const details = Object.hasOwn(features, name) ? features[name] : null;
    const shown = count(Object.keys(features).length);
    return {
      canRetry: false,
      details,
      failure: details
        ? ""
        : `This file has example texts for the ${shown} most influential features only, and this is not one of them.`,
    };
  }
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
