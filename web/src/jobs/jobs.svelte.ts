/** The server's long work, as every part of the page sees it. */

import { jobs as listJobs, start, stop } from "../api/client.ts";
import { on } from "../api/events.ts";
import type { Job, JobRequest } from "../api/types.ts";
import { toasts } from "../app/toasts.svelte.ts";

export const isActive = (job: Job): boolean => job.state === "waiting" || job.state === "running";

/** `Tracing "The capital of..."`. */
export function jobTitle({ request }: Job): string {
  switch (request.kind) {
    case "load":
      return `Loading ${request.model}`;
    case "trace":
      return `Tracing “${shortened(request.name || request.prompt)}”`;
    default:
      return "Testing a change";
  }
}

const shortened = (text: string, most = 48): string => {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
};

class Jobs {
  /** Newest first. */
  all = $state.raw<Job[]>([]);
  readonly active: Job[] = $derived(this.all.filter(isActive));
  /** Jobs whose end some part of the page tells itself. */
  readonly watched = new Set<string>();
  private following = false;

  /** From the first call on the list follows the server. */
  follow(): void {
    if (this.following) return;
    this.following = true;
    on("job", (job) => this.take(job));
    on("connected", () => void this.load());
    void this.load();
  }

  async start(request: JobRequest): Promise<Job> {
    const job = await start(request);
    const told = this.find(job.id); // events may be ahead of the answer
    if (!told) this.take(job);
    return told ?? job;
  }

  find(id: string): Job | null {
    return this.all.find((job) => job.id === id) ?? null;
  }

  /** Cancel what is active, forget what is over. */
  async drop(job: Job): Promise<void> {
    try {
      await stop(job.id);
      if (!isActive(job)) this.all = this.all.filter(({ id }) => id !== job.id);
    } catch (problem) {
      toasts.warn(problem);
    }
  }

  private async load(): Promise<void> {
    try {
      this.all = await listJobs();
    } catch {
      // The page itself says that the server is gone.
    }
  }

  private take(job: Job): void {
    const before = this.find(job.id);
    if (before && !isActive(before) && isActive(job)) return;
    this.all = before
      ? this.all.map((each) => (each.id === job.id ? { ...job, result: job.result ?? each.result } : each))
      : [job, ...this.all];
    if (before && isActive(before) && !this.watched.has(job.id)) tellEnd(job);
  }
}

function tellEnd(job: Job): void {
  if (job.request.kind !== "trace") return;
  const { graph } = job;
  const what = `“${shortened(job.request.name || job.request.prompt)}”`;
  if (job.state === "done" && graph)
    toasts.tell(`${what} is traced.`, {
      label: "Open",
      run: () => (location.hash = `#/g/${encodeURIComponent(graph)}`),
    });
  else if (job.state === "failed")
    toasts.warn(`${what} could not be traced: ${job.error ?? "no reason given"}`);
}

export const jobs = new Jobs();
