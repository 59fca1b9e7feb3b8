import { Refusal, Server, tellEvent, tellConnected } from "./support/fake_server.ts";
import { beforeEach, describe, expect, test } from "vitest";
import type { FeatureRecordAnswer, IndexAbout, FeatureLabel } from "../src/api/types.ts";
import { FeatureIndex } from "../src/open_graph/feature_index.svelte.ts";

const about: IndexAbout = {
  model: "smollm2",
  dictionary: "neurons",
  corpus: ["texts"],
  positions: 1000,
  texts: 10,
  complete: true,
  created: "",
  generator: "",
};
const OF = { model: "smollm2", dictionary: "neurons" };
const called = (text: string): FeatureLabel => ({
  text,
  source: "person",
  author: "",
  confidence: null,
  created: "",
});
const feature = (texts: string[]): FeatureRecordAnswer => ({
  layer: 1,
  feature: 2,
  label: null,
  positions: 1000,
  frequency: 0.1,
  mean: 0,
  minimum: 0,
  maximum: 1,
  never_seen: false,
  histogram: { edges: [], counts: [] },
  quantiles: [],
  groups: [
    {
      kind: 0,
      name: "strongest",
      examples: texts.map((text) => ({ tokens: [text], activations: [1], peak_at: 0, peak: 1 })),
    },
  ],
  top_outputs: [],
  bottom_outputs: [],
  frequent_tokens: [],
  strongest_tokens: [],
  frequent_low: [],
  strongest_low: [],
});

let server: Server;
let labels: Record<string, FeatureLabel>;
let index: IndexAbout | null;

beforeEach(() => {
  server = new Server();
  labels = { "L1/2": called("rivers") };
  index = about;
  server.on("GET /graphs/one/index", () => ({ index, problem: null, labels }));
  server.on("GET /graphs/one/features/1/2", () => feature(["a text"]));
});

const texts = (featureIndex: FeatureIndex) =>
  featureIndex.answer("L1/2").details?.groups[0].examples.map(({ tokens }) => tokens[0]);

async function opened(): Promise<FeatureIndex> {
  const featureIndex = new FeatureIndex("one", OF);
  await featureIndex.fetch();
  featureIndex.open();
  return featureIndex;
}

describe("an index that a server has", () => {
  test("is asked for each feature once", async () => {
    const featureIndex = await opened();
    expect(featureIndex.labels["L1/2"].text).toBe("rivers");
    expect(featureIndex.answer("L1/2")).toEqual({ details: null, failure: "", canRetry: true });
    await featureIndex.fetchFeature("L1/2");
    await featureIndex.fetchFeature("L1/2");
    expect(texts(featureIndex)).toEqual(["a text"]);
    expect(server.asked.filter((each) => each.includes("/features/"))).toHaveLength(1);
    featureIndex.close();
  });

  test("tells of labels as they are given, those of other dictionaries aside", async () => {
    const featureIndex = await opened();
    tellEvent("label", { ...OF, feature: "L1/2", label: called("lakes") });
    tellEvent("label", { ...OF, feature: "L3/4", label: called("seas") });
    tellEvent("label", { ...OF, dictionary: "others", feature: "L1/2", label: called("deserts") });
    expect(featureIndex.labels).toEqual({ "L1/2": called("lakes"), "L3/4": called("seas") });
    tellEvent("label", { ...OF, feature: "L1/2", label: null });
    expect(Object.keys(featureIndex.labels)).toEqual(["L3/4"]);
    featureIndex.close();
  });

  test("is asked again after the stream was lost; what another index said is forgotten", async () => {
    const featureIndex = await opened();
    await featureIndex.fetchFeature("L1/2");
    labels = { "L1/2": called("missed") };
    tellConnected();
    await expect.poll(() => featureIndex.labels["L1/2"].text).toBe("missed");
    expect(texts(featureIndex)).toEqual(["a text"]);
    index = { ...about, positions: 2000 };
    tellConnected();
    await expect.poll(() => featureIndex.index?.positions).toBe(2000);
    expect(featureIndex.answer("L1/2").details).toBeNull();
    featureIndex.close();
    labels = {};
    tellConnected();
    await Promise.resolve();
    expect(featureIndex.labels["L1/2"].text).toBe("missed");
  });

  test("is labelled one label after the other, so that the last one stays", async () => {
    const featureIndex = await opened();
    const taken: string[] = [];
    server.on("PUT /graphs/one/features/1/2/label", (body) => {
      const { text } = body as { text: string };
      taken.push(text);
      return text === "refused" ? new Refusal(422, "No.") : { label: text ? called(text) : null };
    });
    const refused = featureIndex.label("L1/2", "refused");
    const both = [featureIndex.label("L1/2", "first"), featureIndex.label("L1/2", "second")];
    await expect(refused).rejects.toThrow("No.");
    await Promise.all(both);
    expect(taken).toEqual(["refused", "first", "second"]);
    expect(featureIndex.labels["L1/2"].text).toBe("second");
    featureIndex.close();
  });

  test("may fail: the sentence is kept until it answers", async () => {
    server.gone = true;
    const featureIndex = await opened();
    expect(featureIndex.failure).toContain("The server does not answer");
    server.gone = false;
    await featureIndex.fetch();
    expect(featureIndex.failure).toBe("");
    server.on("GET /graphs/one/features/1/2", () => new Refusal(404, "The index has no feature L1/2."));
    await featureIndex.fetchFeature("L1/2");
    expect(featureIndex.answer("L1/2")).toEqual({
      details: null,
      failure: "The index has no feature L1/2.",
      canRetry: false,
    });
    server.on("GET /graphs/one/features/1/2", () => feature(["late"]));
    await featureIndex.fetchFeature("L1/2");
    expect(texts(featureIndex)).toEqual(["late"]);
    featureIndex.close();
  });
});

describe("an index within an exported page", () => {
  const features = { "L1/2": feature(["The river flows"]), "L1/3": feature(["a stone"]) };
  const alone = () => new FeatureIndex(null, OF, { index: about, labels, features });

  test("answers without a server, and says what the file leaves out", async () => {
    const featureIndex = alone();
    await featureIndex.fetchFeature("L1/2");
    await featureIndex.fetchFeature("L9/9");
    expect(texts(featureIndex)).toEqual(["The river flows"]);
    expect(featureIndex.answer("L9/9").failure).toBe(
      "This file has example texts for the 2 most influential features only, and this is not one of them.",
    );
    expect(server.asked).toEqual([]);
  });

  test("is searched by all words", async () => {
    expect(await alone().search(["river", "flows"])).toEqual([
      { feature: "L1/2", snippet: "The river flows" },
    ]);
    expect(await alone().search(["river", "stone"])).toEqual([]);
  });

  test("there may be none", async () => {
    const featureIndex = new FeatureIndex(null, OF);
    expect(featureIndex.index).toBeNull();
    expect(await featureIndex.search(["river"])).toEqual([]);
  });
});
