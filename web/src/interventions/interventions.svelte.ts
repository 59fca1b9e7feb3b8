/** Interventions on one graph: starts them, follows their jobs, and keeps the history. */

import { messageOf } from "../format/numbers.ts";
import { isActive } from "../jobs/jobs.svelte.ts";
import { job as fetchJob, jobs, start, stop } from "../api/client.ts";
import { SWAP_OPTIONS } from "../api/options.ts";
import { on } from "../api/events.ts";
import type { Effect, InterveneRequest, InterventionOutcome, Job, SwapRequest } from "../api/types.ts";

export class Interventions {
  failure = $state("");
  /** The kind of the last try, beside whose form its failure is told. */
  tried = $state<"swap" | "intervene">("swap");
  private jobs = $state.raw<Job[]>([]);
  private hidden = $state.raw<ReadonlySet<string>>(new Set());
  /** Newest first; those that are done have their results. A try that was refused or cancelled is no part of it. */
  readonly history: Job[] = $derived(
    this.jobs.filter((job) => (isActive(job) || job.state === "done") && !this.hidden.has(job.id)),
  );
  readonly running: Job | null = $derived(this.history.find(isActive) ?? null);

  /** The trial that the answer line and the boxes show, and the place of its strength. */
  private shownId = $state<string | null>(null);
  place = $state(0);
  readonly shown: Job | null = $derived(this.history.find(({ id }) => id === this.shownId) ?? null);
  readonly outcome: InterventionOutcome | null = $derived(this.shown && resultOf(this.shown));
  readonly measured: Effect | null = $derived(this.outcome?.results[this.place] ?? null);
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
      this.jobs = all.filter(isTrial);
    });
  }

  /** Start a trial, and show it as soon as it is done. */
  async run(request: InterveneRequest | SwapRequest): Promise<void> {
    this.failure = "";
    this.tried = request.kind;
    await this.orFail(async () => {
      const answered = await start(request);
      this.shownId = answered.id;
      // The event that a short job ended may arrive before the answer to its start.
      const ended = this.jobs.find(({ id }) => id === answered.id);
      if (ended) this.showFirst(ended);
      else this.put(answered);
    });
  }

  /** Swap the features of the strongest word, or some, for their values with another word, by default a found one. */
  swap(word: string | null = null, nodes: string[] | null = null, name = ""): Promise<void> {
    const { strengths } = SWAP_OPTIONS;
    return this.run({
      kind: "swap",
      graph: this.graph,
      word,
      nodes,
      name,
      strengths: [...strengths.default],
    });
  }

  fail(error: unknown): void {
    this.failure = messageOf(error);
  }

  /** Show a trial at the strength that says most, or none. */
  show(job: Job | null): void {
    this.shownId = job?.id ?? null;
    if (job) this.showFirst(job);
  }

  private showFirst(job: Job): void {
    if (job.error) this.failure = job.error;
    this.place = firstPlace(resultOf(job));
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
    if (job.graph !== this.graph || !isTrial(job)) return;
    const listed = this.jobs.find(({ id }) => id === job.id);
    this.put({ ...job, result: listed?.result ?? null });
    if (job.state === "done" && !listed?.result)
      void this.orFail(async () => {
        const whole = await fetchJob(job.id);
        this.put(whole);
        if (job.id === this.shownId) this.showFirst(whole);
      });
    else if (job.error && job.id === this.shownId) this.showFirst(job);
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
    } catch (error) {
      this.failure = messageOf(error);
    }
  }
}

const isTrial = ({ kind }: Job): boolean => kind === "intervene" || kind === "swap";

/** The place of the strength that is shown first: of a swap the one that says most, else the strongest. */
export const firstPlace = (outcome: InterventionOutcome | null): number =>
  outcome?.swap?.shown ?? Math.max(0, (outcome?.results.length ?? 1) - 1);

/** The result of a job that is done. */
export const resultOf = (job: Job): InterventionOutcome | null =>
  job.state === "done" ? (job.result as InterventionOutcome | null) : null;
