/** Jobs: the server's long work, as every part of the page sees it. */

import { jobs as listJobs, start, stop } from "../api/client.ts";
import { on } from "../api/events.ts";
import type { Job, JobRequest, TraceRequest } from "../api/types.ts";
import { graphAddress } from "../app/address.ts";
import { toasts } from "../app/toasts.svelte.ts";
import { shortened } from "../format/numbers.ts";

export const isActive = (job: Job): boolean => job.state === "waiting" || job.state === "running";

/** `Tracing "The capital of..."`. */
export function jobTitle({ request }: Job): string {
  switch (request.kind) {
    case "load":
      return `Loading ${request.model}`;
    case "trace":
      return `Tracing “${shortened(nameOf(request))}”`;
    case "swap":
      return "Swap test";
    default:
      return "Intervention";
  }
}

/** The name that was chosen, or the prompt; of a chat its last message. */
const nameOf = ({ name, prompt }: TraceRequest): string =>
  name || (typeof prompt === "string" ? prompt : (prompt.at(-1)?.content ?? ""));

class Jobs {
  /** Newest first. */
  all = $state.raw<Job[]>([]);
  readonly active: Job[] = $derived(this.all.filter(isActive));
  /** Jobs that a part of the page waits for, so that no toast says when they end. */
  readonly watched = new Set<string>();
  private following = false;

  /** Keep the list in step with the server from now on. */
  follow(): void {
    if (this.following) return;
    this.following = true;
    on("job", (job) => this.take(job));
    on("connected", () => void this.load());
    void this.load();
  }

  async start(request: JobRequest): Promise<Job> {
    const job = await start(request);
    const listed = this.find(job.id); // its events may be ahead of the answer
    if (!listed) this.take(job);
    return listed ?? job;
  }

  find(id: string): Job | null {
    return this.all.find((job) => job.id === id) ?? null;
  }

  /** Cancel an active job, or remove an ended one from the list. */
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
      // The header says that the server does not answer.
    }
  }

  private take(job: Job): void {
    const before = this.find(job.id);
    if (before && !isActive(before) && isActive(job)) return;
    this.all = before
      ? this.all.map((each) => (each.id === job.id ? { ...job, result: job.result ?? each.result } : each))
      : [job, ...this.all];
    if (before && isActive(before) && !this.watched.has(job.id)) announceEnd(job);
  }
}

function announceEnd(job: Job): void {
  if (job.request.kind !== "trace") return;
  const { graph } = job;
  const name = `“${shortened(nameOf(job.request))}”`;
  if (job.state === "done" && graph)
    toasts.tell(`${name} is traced.`, {
      label: "Open",
      run: () => (location.hash = graphAddress(graph)),
    });
  else if (job.state === "failed") toasts.warn(`${name} could not be traced. ${job.error ?? ""}`);
}

export const jobs = new Jobs();
