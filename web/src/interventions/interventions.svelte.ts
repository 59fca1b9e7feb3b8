/** The interventions that were tried on one graph: start one, follow it, keep the history. */

import { job as fetchJob, jobs, start, stop } from "../api/client.ts";
import { on } from "../api/events.ts";
import type { InterveneRequest, InterventionOutcome, Job } from "../api/types.ts";

export class Interventions {
  failure = $state("");
  private known = $state.raw<Job[]>([]);
  private forgotten = $state.raw<ReadonlySet<string>>(new Set());
  /** Newest first; those that are done have their results. */
  readonly history: Job[] = $derived(this.known.filter(({ id }) => !this.forgotten.has(id)));
  private readonly leave: (() => void)[] = [];

  readonly graph: string;

  constructor(graph: string) {
    this.graph = graph;
  }

  open(): void {
    this.leave.push(
      on("job", (job) => this.heard(job)),
      on("connected", () => this.fetch()),
    );
    const forget = () => this.forgetForGood();
    addEventListener("pagehide", forget);
    this.leave.push(() => removeEventListener("pagehide", forget), forget);
    void this.fetch();
  }

  close(): void {
    for (const leave of this.leave.splice(0)) leave();
  }

  async fetch(): Promise<void> {
    await this.told(async () => {
      const found = await jobs(this.graph);
      this.known = found.filter(({ kind }) => kind === "intervene");
    });
  }

  async run(request: InterveneRequest): Promise<Job | null> {
    let started: Job | null = null;
    await this.told(async () => {
      const answered = await start(request);
      started = answered;
      // A short job may have been heard to end before its start is answered.
      if (!this.known.some(({ id }) => id === answered.id)) this.put(answered);
    });
    return started;
  }

  async cancel(job: Job): Promise<void> {
    await this.told(() => stop(job.id));
  }

  /** Out of sight until it is remembered; gone for good once the graph is left. */
  forget(job: Job): void {
    this.forgotten = new Set([...this.forgotten, job.id]);
  }

  remember(job: Job): void {
    this.forgotten = new Set([...this.forgotten].filter((id) => id !== job.id));
  }

  private forgetForGood(): void {
    for (const id of this.forgotten) void stop(id).catch(() => {}); // it was forgotten in another tab already
  }

  private heard(job: Job): void {
    if (job.graph !== this.graph || job.kind !== "intervene") return;
    const known = this.known.find(({ id }) => id === job.id);
    this.put({ ...job, result: known?.result ?? null });
    if (job.state === "done" && !known?.result) void this.told(async () => this.put(await fetchJob(job.id)));
  }

  private put(job: Job): void {
    this.known = this.known.some(({ id }) => id === job.id)
      ? this.known.map((each) => (each.id === job.id ? job : each))
      : [job, ...this.known];
  }

  private async told(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.failure = "";
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
    }
  }
}

export const resultOf = (job: Job): InterventionOutcome | null =>
  job.state === "done" ? (job.result as InterventionOutcome | null) : null;
