import { entry, Refusal, Server } from "./support/fake_server.ts";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ComparisonAnswer } from "../src/api/types.ts";
import { alignedColumns } from "../src/comparison/token_alignment.ts";
import { ERROR, FEATURE, TARGET, TOKEN } from "../src/graph/graph.ts";
import ComparePage from "../src/comparison/ComparePage.svelte";
import { clewBytes, type GraphGiven } from "./support/random_graphs.ts";

const graphWith = (feature: number, word: string): GraphGiven => ({
  nodes: [
    { kind: FEATURE, layer: 0, position: 1, feature: 7, activation: 2 },
    { kind: FEATURE, layer: 1, position: 1, feature, activation: 3 },
    { kind: ERROR, layer: 0, position: 1, feature: -1 },
    { kind: TOKEN, layer: -1, position: 0, feature: 100 },
    { kind: TOKEN, layer: -1, position: 1, feature: 101 },
    { kind: TARGET, layer: 2, position: 1, feature: 200, activation: 1 },
  ],
  edges: [
    [3, 0, 1],
    [0, 1, 0.5],
    [1, 5, 2],
  ],
  info: { tokens: ["The", word] },
});

const COMPARISON: ComparisonAnswer = {
  note: "",
  elsewhere: [],
  sentences: [],
  positions: [
    [0, 0],
    [1, 1],
  ],
  same_features: true,
  nodes: [
    { left: "0_7_1", right: "0_7_1", influence: [0.5, 0.2], activation: [2, 3] },
    { left: "E_100_0", right: "E_100_0", influence: [0.3, 0.31], activation: [null, null] },
  ],
  only_left: ["1_11_1"],
  only_right: ["1_22_1"],
  edges: [{ source: ["E_100_0", "E_100_0"], target: ["0_7_1", "0_7_1"], weight: [1, -0.5] }],
  n_edges: 1,
  edges_only_left: 3,
  edges_only_right: 4,
  difference: { first: " Paris", second: " Rome", logits: [1.5, -2] },
};

let server: Server;

beforeEach(() => {
  server = new Server();
  server.graphs = [entry({ id: "one", prompt: "The cat" }), entry({ id: "two", prompt: "The dog" })];
  server.on("GET /graphs/one/arrays", () => clewBytes(graphWith(11, " cat")));
  server.on("GET /graphs/two/arrays", () => clewBytes(graphWith(22, " dog")));
  server.on("GET /graphs/one/annotations", () => ({ revision: 1, values: { "feature:L0/7": "an animal" } }));
  server.on("GET /graphs/two/annotations", () => ({ revision: 0, values: {} }));
  const said = { author: "", confidence: null, created: "" };
  server.on("GET /graphs/one/index", () => ({ index: null, problem: null, labels: {} }));
  server.on("GET /graphs/two/index", () => ({
    index: null,
    problem: null,
    labels: {
      "L1/22": { text: "dogs that bark", source: "model", ...said },
      "L0/7": { text: "says dog", source: "tokens", ...said },
    },
  }));
  server.on("GET /compare", () => COMPARISON);
});

afterEach(cleanup);

async function open(): Promise<void> {
  render(ComparePage, { left: "one", right: "two" });
  await screen.findByRole("tablist");
}

const links = () =>
  screen
    .getAllByRole("row")
    .flatMap((row) => row.querySelector<HTMLAnchorElement>("a")?.getAttribute("href") ?? []);

describe("two graphs side by side", () => {
  it("shows prompts, aligned tokens, and which answer each prefers", async () => {
    await open();
    expect(screen.getByRole("link", { name: "The cat" }).getAttribute("href")).toBe("#/g/one");
    const tokens = screen.getByRole("list", { name: /Tokens of both prompts/ });
    expect(Array.from(tokens.children, (each) => each.textContent.trim().replace(/\s+/g, " "))).toEqual([
      "The The",
      "·cat ·dog",
    ]);
    expect(screen.getByText("+1.50")).toBeTruthy();
    expect(screen.getByText("−2.00")).toBeTruthy();
  });

  it("lists nodes in both, the strongest change first, each leading into its own graph", async () => {
    await open();
    expect(links()).toEqual(["#/g/one?m=all&s=0_7_1", "#/g/one?m=all&s=E_100_0"]);
    expect(screen.getByText("an animal")).toBeTruthy();
    expect(screen.getByText("−30.0 %")).toBeTruthy();
    const other = screen.getAllByRole("link", { name: "in the right graph" })[0];
    expect(other.getAttribute("href")).toBe("#/g/two?m=all&s=0_7_1");
  });

  it("lists what only one of them has, and edges with their change", async () => {
    await open();
    await fireEvent.click(screen.getByRole("tab", { name: /Only right/ }));
    expect(links()).toEqual(["#/g/two?m=all&s=1_22_1"]);
    expect(screen.getByText("dogs that bark")).toBeTruthy();
    expect(screen.queryByText("says dog")).toBeNull();
    await fireEvent.keyDown(screen.getByRole("tab", { name: /Only right/ }), { key: "ArrowRight" });
    expect(screen.getByRole("tab", { name: /Edges/ }).getAttribute("aria-selected")).toBe("true");
    expect(screen.getByText("−1.50")).toBeTruthy();
    expect(screen.getByText(/3 only left and 4 only right/)).toBeTruthy();
  });

  it("filters by words and by kind", async () => {
    await open();
    await fireEvent.input(screen.getByRole("searchbox"), { target: { value: "animal" } });
    expect(links()).toEqual(["#/g/one?m=all&s=0_7_1"]);
    await fireEvent.input(screen.getByRole("searchbox"), { target: { value: "no such" } });
    expect(screen.getByText("Nothing matches the search.")).toBeTruthy();
    await fireEvent.input(screen.getByRole("searchbox"), { target: { value: "" } });
    await fireEvent.change(screen.getByLabelText("Kind of node"), { target: { value: TOKEN } });
    await waitFor(() => expect(links()).toEqual(["#/g/one?m=all&s=E_100_0"]));
  });

  it("says why it cannot compare", async () => {
    server.on("GET /compare", () => new Refusal(404, "There is no graph two."));
    render(ComparePage, { left: "one", right: "two" });
    expect((await screen.findByRole("alert")).textContent).toContain("There is no graph two.");
  });
});

describe("aligned columns", () => {
  it("puts tokens that stand alone into columns of their own, in order", () => {
    expect(
      alignedColumns(
        [
          [0, 0],
          [3, 2],
        ],
        4,
        4,
      ),
    ).toEqual([
      { left: 0, right: 0 },
      { left: 1, right: null },
      { left: 2, right: null },
      { left: null, right: 1 },
      { left: 3, right: 2 },
      { left: null, right: 3 },
    ]);
  });
});
