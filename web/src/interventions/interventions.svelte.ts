/** Interventions on one graph: starts them, follows their jobs, and keeps the history. */

import { messageOf } from "../format/numbers.ts";
import { isActive } from "../jobs/jobs.svelte.ts";
import { job as fetchJob, jobs, start, stop } from "../api/client.ts";
import { on } from "../api/events.ts";
import type { InterveneRequest, InterventionOutcome, Job } from "../api/types.ts";

export class Interventions {
  failure = $state("");
  private jobs = $state.raw<Job[]>([]);
  private hidden = $state.raw<ReadonlySet<string>>(new Set());
  /** Newest first; those that are done have their results. */
  readonly history: Job[] = $derived(this.jobs.filter(({ id }) => !this.hidden.has(id)));
  readonly running: Job | null = $derived(this.history.find(isActive) ?? null);
  private readonly leave: (() => void)[] = [];

  readonly graph: string;

  constructor(graph: string) {
    this.graph = graph;
  }

  open(): void {
    this.leave.push(
      on("job", (job) => this.onJob(job)),
      on("connected", () => this.fetch()),
    );
    const remove = () => this.removeHidden();
    addEventListener("pagehide", remove);
    this.leave.push(() => removeEventListener("pagehide", remove), remove);
    void this.fetch();
  }

  close(): void {
    for (const leave of this.leave.splice(0)) leave();
  }

  async fetch(): Promise<void> {
    await this.orFail(async () => {
      const all = await jobs(this.graph);
      this.jobs = all.filter(({ kind }) => kind === "intervene");
    });
  }

  async run(request: InterveneRequest): Promise<Job | null> {
    let started: Job | null = null;
    await this.orFail(async () => {
      const answered = await start(request);
      started = answered;
      // The event that a short job ended may arrive before the answer to its start.
      if (!this.jobs.some(({ id }) => id === answered.id)) this.put(answered);
    });
    return started;
  }

  async cancel(job: Job): Promise<void> {
    await this.orFail(() => stop(job.id));
  }

  /** Hide a job until it is restored; it is removed once the graph is left. */
  hide(job: Job): void {
    this.hidden = new Set([...this.hidden, job.id]);
  }

  restore(job: Job): void {
    this.hidden = new Set([...this.hidden].filter((id) => id !== job.id));
  }

  private removeHidden(): void {
    for (const id of this.hidden) void stop(id).catch(() => {}); // another tab may have removed it
  }

  private onJob(job: Job): void {
    if (job.graph !== this.graph || job.kind !== "intervene") return;
    const listed = this.jobs.find(({ id }) => id === job.id);
    this.put({ ...job, result: listed?.result ?? null });
    if (job.state === "done" && !listed?.result)
      void this.orFail(async () => this.put(await fetchJob(job.id)));
  }

  private put(job: Job): void {
    this.jobs = this.jobs.some(({ id }) => id === job.id)
      ? this.jobs.map((each) => (each.id === job.id ? job : each))
      : [job, ...this.jobs];
  }

  /** Do something, and keep the sentence of its failure. */
  private async orFail(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.failure = "";
    } catch (error) {
      this.failure = messageOf(error);
    }
  }
}

/** The result of a job that is done. */
export const resultOf = (job: Job): InterventionOutcome | null =>
  job.state === "done" ? (job.result as InterventionOutcome | null) : null;
