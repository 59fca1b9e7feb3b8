import { describe, expect, test } from "vitest";
import type { ExampleAnswer, FeatureRecordAnswer } from "../src/api/types.ts";
import {
  frequencySentence,
  heights,
  placeOn,
  rankSentence,
  shareBelow,
} from "../src/examples/activation_histogram.ts";
import { excerpt, fullShades, inOrder, matchingText, shade } from "../src/examples/example_texts.ts";
import { generator } from "./support/random_graphs.ts";

/** Two below zero, five at zero, three above. */
const histogram = { edges: [-2, -1, 0, 0, 1, 4], counts: [1, 1, 5, 2, 1] };

const details = (given: Partial<FeatureRecordAnswer> = {}): FeatureRecordAnswer => ({
  layer: 0,
  feature: 0,
  label: null,
  positions: 10,
  frequency: 0.5,
  mean: 0,
  minimum: -2,
  maximum: 4,
  never_seen: false,
  histogram,
  quantiles: [],
  groups: [],
  top_outputs: [],
  bottom_outputs: [],
  frequent_tokens: [],
  strongest_tokens: [],
  frequent_low: [],
  strongest_low: [],
  ...given,
});

const example = (text: string, peak_at = 0, peak = 1): ExampleAnswer => {
  const tokens = text.split(/(?= )/);
  return { tokens, activations: tokens.map((_, place) => (place === peak_at ? peak : 0)), peak_at, peak };
};

describe("a histogram", () => {
  test.each([
    [-3, 0],
    [-2, 0],
    [-1.5, 0.05],
    [-1, 0.1],
    [0.5, 0.8],
    [2.5, 0.95],
    [4, 1],
    [9, 1],
  ])("has this share below %f: %f", (value, share) => {
    expect(shareBelow(histogram, value)).toBeCloseTo(share, 12);
  });

  test("counts half of the zeros below zero itself", () => {
    expect(shareBelow(histogram, 0)).toBeCloseTo(0.45, 12);
  });

  test("knows no share where nothing was counted", () => {
    expect(shareBelow({ edges: [], counts: [] }, 1)).toBeNaN();
  });

  test("agrees with counting values, at the ends of bins exactly", () => {
    const random = generator(5);
    const values = Array.from({ length: 500 }, () => 8 * random() - 4);
    const edges = Array.from({ length: 17 }, (_, place) => place / 2 - 4);
    const counts = edges
      .slice(1)
      .map((high, bin) => values.filter((v) => v >= edges[bin] && v < high).length);
    for (const edge of edges) {
      const counted = values.filter((value) => value < edge).length / values.length;
      expect(shareBelow({ edges, counts }, edge)).toBeCloseTo(counted, 12);
    }
  });

  test("has bins of one width, however wide their values are", () => {
    expect(placeOn(histogram, -1)).toBe(1);
    expect(placeOn(histogram, 0)).toBe(2.5);
    expect(placeOn(histogram, 2.5)).toBe(4.5);
    expect(placeOn(histogram, -7)).toBe(0);
    expect(placeOn(histogram, 7)).toBe(5);
  });

  test("has heights that grow with the logarithm of the counts", () => {
    const found = heights({ edges: [0, 1, 2, 3], counts: [0, 9, 99] });
    expect(found[0]).toBe(0);
    expect(found[1]).toBeCloseTo(0.5, 12);
    expect(found[2]).toBe(1);
    expect(heights({ edges: [0, 1], counts: [0] })).toEqual([0]);
  });
});

describe("an activation is told in words", () => {
  test.each([
    [2.5, "higher than at 95 % of positions"],
    [-1.5, "lower than at 95 % of positions"],
    [5, "higher than anywhere in these texts"],
    [-3, "lower than anywhere in these texts"],
  ])("%f: %s", (value, sentence) => {
    expect(rankSentence(details(), value)).toBe(sentence);
  });

  test("and among the positions of its sign where the feature is rarely active", () => {
    const sparse = details({ frequency: 0.3, histogram: { edges: [0, 0, 1, 2], counts: [70, 20, 10] } });
    expect(rankSentence({ ...sparse, minimum: 0, maximum: 2 }, 1.5)).toBe(
      "higher than at 95 % of positions, and than at 83 % of those where it is active",
    );
  });

  test("never as more than all, unless it is", () => {
    const many = { edges: [0, 1, 2], counts: [99_999, 1] };
    expect(rankSentence(details({ histogram: many, maximum: 2 }), 1.9)).toBe(
      "higher than at over 99.9 % of positions",
    );
  });

  test("nothing is told where nothing was counted", () => {
    expect(rankSentence(details({ histogram: { edges: [], counts: [] } }), 1)).toBe("");
  });

  test.each([
    [0.031, 300_000, "active at 3.1 % of 300,000 tokens"],
    [0.99999, 2000, "active at nearly all of 2,000 tokens"],
    [0.000012, 1_000_000, "active at 0.001 % of 1,000,000 tokens"],
    [0.2, 0, "active at 20 % of the tokens"],
    [1e-9, 1000, ""],
  ])("a frequency of %f of %d positions", (frequency, positions, sentence) => {
    expect(frequencySentence(details({ frequency, positions }))).toBe(sentence);
  });
});

describe("example texts", () => {
  const group = (kind: number, count = 2) => ({
    kind,
    name: `${kind}`,
    examples: Array.from({ length: count }, () => example("a b", 0, kind)),
  });
  const kinds = (activation: number) =>
    inOrder([group(0), group(2), group(1), group(-1), group(3, 0)], activation).map(({ kind }) => kind);

  test("begin with the side on which the feature is active here", () => {
    expect(kinds(2)).toEqual([0, 1, 2, -1]);
    expect(kinds(-2)).toEqual([-1, 0, 1, 2]);
  });

  test("of levels that hold one each stand in one list", () => {
    const [, levels, ...others] = inOrder([group(0), group(2, 1), group(1, 1), group(3, 1)], 1);
    expect(levels.examples.map(({ peak }) => peak)).toEqual([1, 2, 3]);
    expect(others).toEqual([]);
    expect(inOrder([group(2, 1)], 1)).toEqual([group(2, 1)]);
  });

  test("are shaded by their share of the largest activation on their side", () => {
    const positive = fullShades(details(), example("a", 0, 1));
    expect(shade(2, positive)).toBe(0.5);
    expect(shade(-2, positive)).toBe(0.5);
    expect(shade(9, positive)).toBe(1);
    expect(shade(0.01, positive)).toBe(0);
    const negative = fullShades(details(), example("a", 0, -1));
    expect(shade(-1, negative)).toBe(0.5);
    expect(shade(1, negative)).toBe(0.25);
  });

  test("are shaded by what they hold where extremes are not known", () => {
    expect(fullShades(details({ maximum: null, minimum: null }), example("a", 0, 3)).positive).toBe(3);
    expect(fullShades(details({ maximum: 0, minimum: 0 }), example("a", 0, 0)).positive).toBe(1);
  });

  test("are excerpt around the peak, with more of what came before it", () => {
    const text = Array.from({ length: 64 }, (_, place) => ` word${place % 10}`).join("");
    const long = example(text, 32);
    const [begin, end] = excerpt(long);
    expect(begin).toBeLessThan(32);
    expect(end).toBeGreaterThan(33);
    expect(32 - begin).toBeGreaterThan(end - 33);
    expect(excerpt(example("a b c", 1))).toEqual([0, 3]);
    expect(excerpt(example(" x".repeat(40), 0))[0]).toBe(0);
  });

  test("keep a peak that is longer than all that there is room for", () => {
    expect(
      excerpt({
        tokens: ["a".repeat(90), "b".repeat(90), "c".repeat(90)],
        activations: [0, 1, 0],
        peak_at: 1,
        peak: 1,
      }),
    ).toEqual([1, 2]);
  });

  test("are searched for all words, and the piece that has most of them is told", () => {
    const found = details({
      groups: [{ kind: 0, name: "", examples: [example(" The river flows"), example(" a Stone here")] }],
      top_outputs: [{ text: " bread", value: 1 }],
    });
    expect(matchingText(found, "", ["stone", "here"])).toBe("a Stone here");
    expect(matchingText(found, "", ["bread"])).toBe("bread");
    expect(matchingText(found, "water", ["water", "stone"])).toBe("water");
    expect(matchingText(found, "", ["stone", "sand"])).toBeNull();
  });
});
