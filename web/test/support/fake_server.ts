/** A server in memory for component tests: what the page asks of it, and what it tells of itself. */

import { vi } from "vitest";
import type { GraphEntry, Job, JobRequest, Preview } from "../../src/api/types.ts";

// What jsdom does not have, before any module of the page asks for it.
vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {} }));
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  },
);

class Stream extends EventTarget {
  static last: Stream | null = null;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;

  constructor() {
    super();
    Stream.last = this;
  }
}
vi.stubGlobal("EventSource", Stream);

export function tellEvent(name: "job" | "library" | "label", data: unknown): void {
  Stream.last?.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
}

/** The stream begins, or begins again. */
export const tellConnected = (): void => Stream.last?.onopen?.();

let count = 0;

export function entry(given: Partial<GraphEntry> = {}): GraphEntry {
  count++;
  const prompt = given.prompt ?? `Prompt number ${count}`;
  return {
    id: `id${count}`,
    name: prompt,
    prompt,
    model: "smollm2",
    dictionary: "neurons",
    answer: { text: " Paris", probability: 0.77 },
    nodes: 100 + count,
    features: 80,
    edges: 1000,
    scores: { replacement: 0.61, completeness: 0.8 },
    size: 12345,
    created: new Date(Date.UTC(2026, 0, 1, 0, count)).toISOString(),
    modified: new Date(Date.UTC(2026, 0, 1, 0, count)).toISOString(),
    ...given,
  };
}

type Route = (body: unknown, url: URL) => unknown;

export class Refusal {
  readonly status: number;
  readonly detail: string;

  constructor(status: number, detail: string) {
    this.status = status;
    this.detail = detail;
  }
}

/** Routes by "METHOD /path", `*` standing for one part; the first that fits answers. */
export class Server {
  graphs: GraphEntry[] = [];
  deleted: GraphEntry[] = [];
  jobs: Job[] = [];
  gone = false;
  /** Every request as "METHOD /path". */
  readonly asked: string[] = [];
  readonly routes = new Map<string, Route>();

  constructor() {
    const find = (url: URL) => {
      const id = url.pathname.split("/")[3];
      return this.graphs.find((each) => each.id === id) ?? new Refusal(404, "There is no such graph.");
    };
    this.on("GET /graphs", () => this.graphs);
    this.on("GET /graphs/*", (_, url) => find(url));
    this.on("PATCH /graphs/*", (body, url) => {
      const found = find(url);
      return found instanceof Refusal ? found : Object.assign(found, body);
    });
    this.on("DELETE /graphs/*", (_, url) => {
      const found = find(url);
      if (found instanceof Refusal) return found;
      this.graphs = this.graphs.filter((each) => each !== found);
      this.deleted.push(found);
      return undefined;
    });
    this.on("POST /graphs/*/restore", (_, url) => {
      const back = this.deleted.find(({ id }) => id === url.pathname.split("/")[3])!;
      this.graphs = [back, ...this.graphs];
      return back;
    });
    this.on("GET /jobs", () => this.jobs);
    this.on("POST /jobs", (body) => this.job({ request: body as JobRequest }));
    this.on("DELETE /jobs/*", () => undefined);
    this.on("GET /info", () => ({
      version: "0.1.0",
      library: "/tmp",
      limits: { upload: 1e9, page_nodes: 5000, page_edges: 1e6 },
      model: { loaded: null },
    }));
    this.on("GET /gallery", () => []);
    this.on("GET /models", () => [
      {
        name: "smollm2",
        reference: "smollm2",
        note: "SmolLM2 135M, small and quick",
        ready: true,
        dictionaries: ["smollm2-plt"],
      },
      { name: "gemma", reference: "google/gemma", note: "pip install gemma", ready: false, dictionaries: [] },
    ]);
    vi.stubGlobal("fetch", (path: string, init: RequestInit = {}) => this.answer(path, init));
  }

  on(route: string, answer: Route): void {
    this.routes.set(route, answer);
  }

  job(given: Partial<Job>): Job {
    const request = given.request!;
    const job: Job = {
      id: `job${++count}`,
      kind: request.kind,
      state: "waiting",
      phase: "",
      done: 0,
      total: 0,
      created: new Date().toISOString(),
      started: null,
      finished: null,
      error: null,
      result: null,
      graph: null,
      ...given,
      request,
    };
    this.jobs = [job, ...this.jobs];
    return job;
  }

  private async answer(path: string, init: RequestInit): Promise<Response> {
    const url = new URL(path, "http://clew.test");
    const method = init.method ?? "GET";
    const asked = `${method} ${url.pathname.replace(/^\/api/, "")}`;
    this.asked.push(asked);
    if (this.gone) throw new TypeError("Failed to fetch");
    const fits = [...this.routes].find(([route]) =>
      new RegExp(`^${route.replaceAll("*", "[^/]+")}$`).test(asked),
    );
    const body = typeof init.body === "string" ? (JSON.parse(init.body) as unknown) : init.body;
    const found = fits ? fits[1](body, url) : new Refusal(404, "There is nothing at this address.");
    if (found instanceof Refusal) return json({ detail: found.detail }, found.status);
    if (found instanceof ArrayBuffer) return new Response(found);
    return found === undefined ? new Response(null, { status: 204 }) : json(found, 200);
  }
}

const json = (value: unknown, status: number) =>
  new Response(JSON.stringify(value), { status, headers: { "content-type": "application/json" } });

export const seen = (tokens: string[], predictions: [string, number][]): Preview => ({
  tokens,
  roles: [],
  predictions: predictions.map(([text, probability], token_id) => ({ text, token_id, probability })),
  sink: null,
  sink_problem: null,
  target_problems: [],
  notes: [],
});
