import { entry, Refusal, Server, tellEvent } from "./support/fake_server.ts";
import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import LibraryPage from "../src/library/LibraryPage.svelte";
import { ownName, rowsInSight, search, sorted } from "../src/library/listed_graphs.ts";
import { toasts } from "../src/app/toasts.svelte.ts";
import Toasts from "../src/app/Toasts.svelte";

let server: Server;

beforeEach(() => {
  server = new Server();
  location.hash = "#/";
});

afterEach(async () => {
  const field = screen.queryByRole("searchbox");
  if (field) await fireEvent.input(field, { target: { value: "" } });
  cleanup();
  toasts.list = [];
});

const prompts = () =>
  screen.queryAllByRole("row").flatMap((row) => row.querySelector(".prompt")?.textContent ?? []);

async function open(): Promise<void> {
  render(LibraryPage);
  render(Toasts);
  await screen.findByRole("grid");
}

const rowOf = (prompt: string) =>
  screen.getAllByRole("row").find((row) => row.querySelector(".prompt")?.textContent === prompt)!;

const file = (name: string) => new File(["bytes"], name);

async function importByButton(...files: File[]): Promise<void> {
  const field = screen.getByLabelText("Graph files to import");
  Object.defineProperty(field, "files", { value: files, configurable: true });
  await fireEvent.change(field);
}

describe("the library", () => {
  it("lists graphs, the newest first, with answer, model, nodes and scores", async () => {
    server.graphs = [entry({ prompt: "Older" }), entry({ prompt: "Newer", nodes: 4262 })];
    await open();
    expect(prompts()).toEqual(["Newer", "Older"]);
    const row = within(rowOf("Newer"));
    for (const text of ["0.77", "smollm2", "neurons", "4,262", "0.61", "0.80"])
      expect(row.getByText(text)).toBeTruthy();
  });

  it("searches prompt, name and model, and says where nothing fits", async () => {
    server.graphs = [
      entry({ prompt: "The capital of France is" }),
      entry({ prompt: "Fire is to heat", name: "Analogy", model: "gemma-2-2b" }),
    ];
    await open();
    const field = screen.getByRole("searchbox");
    for (const [query, expected] of [
      ["france", ["The capital of France is"]],
      ["analogy", ["Fire is to heat"]],
      ["GEMMA heat", ["Fire is to heat"]],
      ["nowhere", []],
    ] as const) {
      await fireEvent.input(field, { target: { value: query } });
      expect(prompts()).toEqual(expected);
    }
    expect(screen.getByText(/No graph has “nowhere”/)).toBeTruthy();
  });

  it("sorts by what stands above a column", async () => {
    server.graphs = [entry({ prompt: "b", nodes: 1 }), entry({ prompt: "a", nodes: 2 })];
    await open();
    await fireEvent.click(screen.getByRole("button", { name: "Sort by prompt" }));
    expect(prompts()).toEqual(["a", "b"]);
    await fireEvent.click(screen.getByRole("button", { name: "Sort by number of nodes" }));
    expect(prompts()).toEqual(["a", "b"]);
    await fireEvent.click(screen.getByRole("button", { name: /Sort by date/ }));
    expect(prompts()).toEqual(["a", "b"]);
  });

  it("walks rows by arrows and opens with Enter", async () => {
    server.graphs = [entry({ prompt: "first" }), entry({ prompt: "second" })];
    await open();
    await fireEvent.keyDown(document.body, { key: "ArrowDown" });
    await waitFor(() => expect(document.activeElement).toBe(rowOf("second")));
    await fireEvent.keyDown(document.activeElement!, { key: "ArrowDown" });
    await waitFor(() => expect(document.activeElement).toBe(rowOf("first")));
    await fireEvent.keyDown(document.activeElement!, { key: "Enter" });
    expect(location.hash).toBe(`#/g/${server.graphs[0].id}`);
  });

  it("renames in place with F2 and Enter, and leaves it with Escape", async () => {
    server.graphs = [entry({ prompt: "A prompt" })];
    await open();
    const row = rowOf("A prompt");
    row.focus();
    await fireEvent.keyDown(row, { key: "F2" });
    const field = await screen.findByLabelText("Name of the graph");
    await fireEvent.input(field, { target: { value: "My graph" } });
    await fireEvent.keyDown(field, { key: "Enter" });
    await screen.findByText("My graph");
    expect(server.graphs[0].name).toBe("My graph");
    await fireEvent.click(screen.getByRole("button", { name: "Rename My graph" }));
    const again = await screen.findByLabelText("Name of the graph");
    await fireEvent.input(again, { target: { value: "Other" } });
    await fireEvent.keyDown(again, { key: "Escape" });
    await screen.findByText("My graph");
    expect(server.graphs[0].name).toBe("My graph");
  });

  it("deletes, and brings back by the message or by Ctrl+Z", async () => {
    server.graphs = [entry({ prompt: "keep" }), entry({ prompt: "lose" })];
    await open();
    rowOf("lose").focus();
    await fireEvent.keyDown(rowOf("lose"), { key: "Delete" });
    await waitFor(() => expect(prompts()).toEqual(["keep"]));
    await fireEvent.click(await screen.findByRole("button", { name: "Undo" }));
    await waitFor(() => expect(prompts()).toEqual(["lose", "keep"]));
    await fireEvent.click(screen.getByRole("button", { name: "Delete lose" }));
    await screen.findByText("Deleted “lose”.");
    await fireEvent.keyDown(document.body, { key: "z", ctrlKey: true });
    await waitFor(() => expect(prompts()).toEqual(["lose", "keep"]));
    expect(server.graphs).toHaveLength(2);
  });

  it("imports several files and shows each refusal with its sentence", async () => {
    server.graphs = [entry()];
    server.on("POST /graphs", (_, url) => {
      const name = url.searchParams.get("name")!;
      if (name === "bad") return new Refusal(422, "The file is no graph: it has no nodes.");
      return entry({ prompt: name });
    });
    await open();
    await importByButton(file("good.clew"), file("bad.json"));
    const refusal = await screen.findByRole("alert");
    expect(refusal.textContent).toContain("bad.json");
    expect(refusal.textContent).toContain("The file is no graph: it has no nodes.");
    expect(prompts()).toContain("good");
    await fireEvent.click(within(refusal).getByRole("button", { name: "Close" }));
    expect(screen.queryByText("bad.json")).toBeNull();
  });

  it("takes files that are dropped anywhere", async () => {
    server.on("POST /graphs", () => entry({ prompt: "dropped" }));
    render(LibraryPage);
    await screen.findByText("No graphs yet");
    const dataTransfer = { types: ["Files"], files: [file("a.clew")] };
    await fireEvent.dragOver(window, { dataTransfer });
    expect(screen.getByText("Drop to import")).toBeTruthy();
    await fireEvent.drop(window, { dataTransfer });
    await waitFor(() => expect(prompts()).toEqual(["dropped"]));
  });

  it("offers each export as a download", async () => {
    server.graphs = [entry({ prompt: "A prompt" })];
    await open();
    await fireEvent.click(screen.getByRole("button", { name: "Export A prompt" }));
    const items = await screen.findAllByRole("menuitem");
    expect(items.map((item) => item.getAttribute("href"))).toEqual(
      ["clew", "json", "html"].map((format) => `/api/graphs/${server.graphs[0].id}/export?format=${format}`),
    );
    await fireEvent.keyDown(items[0], { key: "Escape" });
    expect(screen.queryByRole("menu")).toBeNull();
  });

  it("compares two that were chosen", async () => {
    server.graphs = [entry({ prompt: "one" }), entry({ prompt: "two" }), entry({ prompt: "three" })];
    await open();
    await fireEvent.click(screen.getByLabelText("Compare one"));
    expect(screen.getByRole("button", { name: "Compare" })).toHaveProperty("disabled", true);
    await fireEvent.click(screen.getByLabelText("Compare three"));
    await fireEvent.click(screen.getByRole("button", { name: "Compare" }));
    expect(location.hash).toBe(`#/compare/${server.graphs[0].id}/${server.graphs[2].id}`);
  });

  it("follows what happens elsewhere", async () => {
    server.graphs = [entry({ prompt: "here" })];
    await open();
    const other = entry({ prompt: "made elsewhere" });
    server.graphs = [other, ...server.graphs];
    tellEvent("library", { graph: other.id, what: "added" });
    await waitFor(() => expect(prompts()).toEqual(["made elsewhere", "here"]));
    tellEvent("library", { graph: other.id, what: "deleted" });
    await waitFor(() => expect(prompts()).toEqual(["here"]));
  });

  it("says that the server is gone, and tries again", async () => {
    server.gone = true;
    render(LibraryPage);
    await screen.findByText(/The server does not answer/);
    server.gone = false;
    server.graphs = [entry({ prompt: "back" })];
    await fireEvent.click(screen.getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(prompts()).toEqual(["back"]));
  });

  it("puts only rows in sight into the page", async () => {
    server.graphs = Array.from({ length: 3000 }, () => entry());
    await open();
    expect(prompts().length).toBeLessThan(60);
    expect(screen.getByRole("grid").getAttribute("aria-rowcount")).toBe("3001");
  });

  it("shows a prompt with markup as text", async () => {
    server.graphs = [entry({ prompt: "<img src=x onerror=alert(1)>" })];
    await open();
    expect(prompts()).toEqual(["<img src=x onerror=alert(1)>"]);
    expect(document.querySelector("img")).toBeNull();
  });
});

describe("the order of the library", () => {
  it("compares numbers in names as numbers", () => {
    const entries = ["run 10", "run 9", "Run 1"].map((name) => entry({ name }));
    expect(sorted(entries, "name").map(({ name }) => name)).toEqual(["Run 1", "run 9", "run 10"]);
  });

  it("knows a name from the beginning of a prompt", () => {
    expect(ownName(entry({ prompt: "a\n b", name: "a b" }))).toBeNull();
    expect(ownName(entry({ prompt: "a long prompt", name: "a long…" }))).toBeNull();
    expect(ownName(entry({ prompt: "a long prompt", name: "mine" }))).toBe("mine");
  });

  it("keeps the last rows in sight when a list becomes shorter", () => {
    expect(rowsInSight(60_000, 600, 60, 20)).toEqual([2, 20]);
    expect(rowsInSight(0, 600, 60, 3)).toEqual([0, 3]);
  });

  it("is quick for thousands", () => {
    const entries = Array.from({ length: 5000 }, () => entry({ prompt: "word ".repeat(100) }));
    search(entries, "w");
    const now = vi.fn(performance.now.bind(performance))();
    sorted(search(entries, "word paris"), "name");
    expect(performance.now() - now).toBeLessThan(400);
  });
});
