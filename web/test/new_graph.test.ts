import { Refusal, seen, Server, tellEvent } from "./support/fake_server.ts";
import { cleanup, fireEvent, render, screen, waitFor } from "@testing-library/svelte";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JobRequest, PreviewRequest } from "../src/api/types.ts";
import NewGraphPage from "../src/new_graph/NewGraphPage.svelte";
import { jobs } from "../src/jobs/jobs.svelte.ts";
import { automaticTargets, EMPTY_FORM, problemsOf, requestOf } from "../src/new_graph/trace_form.ts";

let server: Server;
let loaded: boolean;
const PREDICTIONS: [string, number][] = [
  [" Paris", 0.8],
  [" the", 0.16],
  [" not", 0.01],
];

beforeEach(() => {
  sessionStorage.clear();
  jobs.all = [];
  server = new Server();
  loaded = true;
  location.hash = "#/new";
  server.on("POST /look", () =>
    loaded ? seen(["The", " capital"], PREDICTIONS) : new Refusal(409, "The model is not loaded."),
  );
});

afterEach(cleanup);

async function write(prompt: string): Promise<void> {
  render(NewGraphPage);
  await waitFor(() => expect(screen.getByLabelText<HTMLSelectElement>("Model").value).toBe("smollm2"));
  await fireEvent.input(screen.getByLabelText("Prompt"), { target: { value: prompt } });
}

const traceButton = () => screen.getByRole<HTMLButtonElement>("button", { name: "Trace" });
const requested = () => server.jobs.map(({ request }) => request);

describe("a new graph", () => {
  it("shows tokens and what comes next while the prompt is written", async () => {
    await write("The capital");
    await screen.findByText("2 tokens");
    expect(screen.getByText("capital")).toBeTruthy();
    expect(await screen.findByRole("button", { name: /Paris.*0\.80/ })).toBeTruthy();
    expect(screen.getByText(/the 2 likeliest tokens/)).toBeTruthy();
  });

  it("loads a model that is ready, and then reads the prompt", async () => {
    loaded = false;
    await write("The capital");
    await waitFor(() =>
      expect(requested()).toEqual([{ kind: "load", model: "smollm2", dictionary: "auto" }]),
    );
    const job = server.jobs[0];
    tellEvent("job", { ...job, state: "running", phase: "Loading smollm2", started: job.created });
    await screen.findByRole("progressbar", { name: "Loading smollm2" });
    loaded = true;
    tellEvent("job", { ...job, state: "done" });
    await screen.findByText("2 tokens");
  });

  it("asks before it loads a model that is not on this machine", async () => {
    loaded = false;
    await write("The capital");
    await fireEvent.change(screen.getByLabelText("Model"), { target: { value: "google/gemma" } });
    await fireEvent.click(await screen.findByRole("button", { name: "Load it" }));
    await waitFor(() => expect(requested()[0]).toMatchObject({ kind: "load", model: "google/gemma" }));
    tellEvent("job", { ...server.jobs[0], state: "failed", error: "gemma is not here; install it." });
    expect((await screen.findByRole("alert")).textContent).toBe("gemma is not here; install it.");
    await screen.findByRole("button", { name: "Try again" });
  });

  it("traces what was chosen and goes to the graph", async () => {
    await write("The capital");
    await fireEvent.click(await screen.findByRole("button", { name: /the.*0\.16/ }));
    const field = screen.getByLabelText("Another token to explain");
    await fireEvent.input(field, { target: { value: "not" } });
    await fireEvent.keyDown(field, { key: "Enter" });
    await fireEvent.keyDown(window, { key: "Enter", ctrlKey: true });
    await waitFor(() => expect(requested()).toHaveLength(1));
    expect(requested()[0]).toMatchObject({
      kind: "trace",
      prompt: "The capital",
      targets: ["id:1", "id:2"],
      max_nodes: 4096,
      node_threshold: 0.8,
      sink: null,
      name: null,
    } satisfies Partial<JobRequest>);
    const job = server.jobs[0];
    tellEvent("job", { ...job, state: "running", phase: "Computing rows", done: 1, total: 4 });
    await screen.findAllByText("25 %");
    tellEvent("job", { ...job, state: "done", graph: "abc" });
    await waitFor(() => expect(location.hash).toBe("#/g/abc"));
  });

  it("says beside a target why it cannot be explained, before anything is traced", async () => {
    const problem = 'The target "no token" is not one token of this model but 2.';
    server.on("POST /look", (body) => ({
      ...seen(["The", " capital"], PREDICTIONS),
      target_problems: (body as PreviewRequest).targets!.map((name) =>
        name === "no token" ? problem : null,
      ),
    }));
    await write("The capital");
    await fireEvent.click(await screen.findByRole("button", { name: /the.*0\.16/ }));
    const field = screen.getByLabelText("Another token to explain");
    await fireEvent.input(field, { target: { value: "no token" } });
    await fireEvent.keyDown(field, { key: "Enter" });
    expect((await screen.findByRole("alert")).textContent).toBe(problem);
    expect(traceButton().disabled).toBe(true);
    await fireEvent.click(screen.getByRole("button", { name: "Remove no token" }));
    await waitFor(() => expect(traceButton().disabled).toBe(false));
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("says beside the first token why it cannot be used, and what loading noticed", async () => {
    const sinkProblem = 'The sink "two words" is not one token of this model.';
    server.on("POST /look", (body) => ({
      ...seen(["The"], PREDICTIONS),
      sink_problem: (body as PreviewRequest).sink === null ? null : sinkProblem,
      notes: ["Files in smollm2 that are not read: old.bin."],
    }));
    await write("The");
    await screen.findByText("Files in smollm2 that are not read: old.bin.");
    await fireEvent.input(screen.getByLabelText("First token"), { target: { value: "two words" } });
    await waitFor(() => expect(document.getElementById("sink-help")!.textContent).toContain(sinkProblem));
    expect(screen.getByLabelText("First token").getAttribute("aria-invalid")).toBe("true");
    expect(traceButton().disabled).toBe(true);
  });

  it("cancels, and says why it failed", async () => {
    await write("The capital");
    await fireEvent.click(traceButton());
    await fireEvent.click(await screen.findByRole("button", { name: "Cancel" }));
    await waitFor(() => expect(server.asked).toContain(`DELETE /jobs/${server.jobs[0].id}`));
    tellEvent("job", { ...server.jobs[0], state: "cancelled" });
    await screen.findByText("Cancelled.");
    await fireEvent.click(traceButton());
    await waitFor(() => expect(server.jobs).toHaveLength(2));
    tellEvent("job", { ...server.jobs[0], state: "failed", error: "There was not enough memory." });
    expect((await screen.findByRole("alert")).textContent).toContain("There was not enough memory.");
    expect(traceButton().disabled).toBe(false);
  });

  it("survives going away", async () => {
    await write("Kept as it was");
    await fireEvent.input(screen.getByLabelText("Features at most"), { target: { value: "256" } });
    await waitFor(() => expect(sessionStorage.getItem("clew-new-graph")).toContain("256"));
    cleanup();
    render(NewGraphPage);
    expect(screen.getByLabelText<HTMLTextAreaElement>("Prompt").value).toBe("Kept as it was");
    expect(screen.getByLabelText<HTMLInputElement>("Features at most").value).toBe("256");
  });

  it("says what is missing instead of tracing", async () => {
    await write("");
    expect(traceButton().disabled).toBe(true);
    expect(screen.getByText("Write a prompt first.")).toBeTruthy();
    await fireEvent.input(screen.getByLabelText("Prompt"), { target: { value: "x" } });
    await fireEvent.input(screen.getByLabelText("Node threshold"), { target: { value: "1.5" } });
    expect(traceButton().disabled).toBe(true);
    expect(screen.getAllByText("Give a number above 0 and at most 1.").length).toBeGreaterThan(0);
  });
});

describe("the form", () => {
  const asked = { ...EMPTY_FORM, prompt: "p", model: "m" };

  it("explains the likeliest until they reach the probability together", () => {
    expect(automaticTargets([0.8, 0.16, 0.01], asked)).toBe(2);
    expect(automaticTargets([0.3, 0.2, 0.1], { ...asked, max_targets: 2 })).toBe(2);
    expect(automaticTargets([], asked)).toBe(0);
  });

  it("finds every field that cannot be sent", () => {
    expect(problemsOf(asked)).toEqual({});
    const wrong = { ...asked, model: " ", max_nodes: 0, edge_threshold: null, max_targets: 1.5 };
    expect(Object.keys(problemsOf(wrong)).sort()).toEqual([
      "edge_threshold",
      "max_nodes",
      "max_targets",
      "model",
    ]);
  });

  it("sends nothing for fields that are empty", () => {
    expect(requestOf(asked)).toMatchObject({ targets: null, sink: null, name: null });
  });
});

describe("a chat", () => {
  const chat = { ...EMPTY_FORM, model: "m", isChat: true, turns: ["Hi"] };

  it("asks the messages in turn, and the system prompt where there is one", () => {
    expect(requestOf(chat).prompt).toEqual([{ role: "user", content: "Hi" }]);
    const longer = { ...chat, system: "Be brief.", turns: ["Hi", "Hello", "Bye"] };
    expect(requestOf(longer).prompt).toEqual([
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hi" },
      { role: "assistant", content: "Hello" },
      { role: "user", content: "Bye" },
    ]);
    expect(Object.keys(requestOf(longer))).not.toContain("turns");
  });

  it("says which message is empty", () => {
    expect(problemsOf({ ...chat, turns: [" "] }).turns).toBe("Write a question first.");
    expect(problemsOf({ ...chat, turns: ["Hi", ""] }).turns).toContain("the assistant's message");
    expect(problemsOf(chat)).toEqual({});
  });

  it("is written message by message, and its tokens stand behind their roles", async () => {
    server.on("POST /look", () => ({ ...seen(["<s>", "Hi"], PREDICTIONS), roles: ["template", "user"] }));
    await write("");
    await fireEvent.click(screen.getByRole("button", { name: "Chat" }));
    expect(traceButton().disabled).toBe(true);
    await fireEvent.input(screen.getByLabelText("User"), { target: { value: "Hi" } });
    await screen.findByTitle("Token 1, user");
    expect(screen.getByTitle("Token 0, template")).toBeTruthy();
    expect(traceButton().disabled).toBe(false);
    await fireEvent.click(screen.getByRole("button", { name: "Add an answer" }));
    expect(screen.getByLabelText("Assistant")).toBeTruthy();
    await fireEvent.click(screen.getByRole("button", { name: "Remove the last message" }));
    await fireEvent.click(traceButton());
    await waitFor(() =>
      expect(requested().at(-1)).toMatchObject({ prompt: [{ role: "user", content: "Hi" }] }),
    );
  });
});
