/** A prompt as the model reads it, while it is written; the model is loaded when it is not there yet. */

import { look, Refused } from "../api/client.ts";
import type { Job, Preview } from "../api/types.ts";
import { isActive, jobs } from "../jobs/jobs.svelte.ts";

const PAUSE = 300;
/** Milliseconds without a key before the model is asked. */

export interface Text {
  model: string;
  dictionary: string;
  prompt: string;
  sink: string;
}

export class PromptPreview {
  /** What was last read. */
  look = $state.raw<Preview | null>(null);
  /** Whether `look` is of the text as it is now. */
  current = $state(false);
  /** Why there is nothing newer: the server's sentence. */
  reason = $state("");
  /** Whether the model has to be loaded first. */
  unloaded = $state(false);
  private loadId = $state<string | null>(null);
  readonly loading: Job | null = $derived.by(() => {
    const job = this.loadId === null ? null : jobs.find(this.loadId);
    return job && isActive(job) ? job : null;
  });

  private text: Text | null = null;
  private turn = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly tried = new Set<string>();

  /** Read this text soon; `ready` says whether its model loads without a download, so that it may at once. */
  ask(text: Text, ready: boolean): void {
    if (this.text?.model !== text.model || this.text.dictionary !== text.dictionary) this.look = null;
    this.text = text;
    this.current = false;
    this.stop();
    if (!text.prompt || !text.model.trim() || !text.dictionary.trim()) {
      if (!text.prompt) this.look = null;
      this.reason = "";
      this.unloaded = false;
      return;
    }
    this.timer = setTimeout(() => void this.read(text, ready), PAUSE);
  }

  /** Ask no more. */
  stop(): void {
    this.turn++;
    clearTimeout(this.timer);
  }

  /** Load the model of the text, or wait for a job that already does. */
  async load(): Promise<void> {
    if (!this.text) return;
    const { model, dictionary } = this.text;
    this.tried.add(`${model}\n${dictionary}`);
    this.reason = "";
    const same = jobs.active.find(
      ({ request }) =>
        request.kind === "load" && request.model === model && request.dictionary === dictionary,
    );
    try {
      const job = same ?? (await jobs.start({ kind: "load", model, dictionary }));
      jobs.watched.add(job.id);
      this.loadId = job.id;
      this.noticeLoad();
    } catch (problem) {
      this.reason = sentence(problem);
    }
  }

  /** To be called whenever jobs change: a load that ended is followed by a look, or told. */
  noticeLoad(): void {
    const job = this.loadId === null ? null : jobs.find(this.loadId);
    if (!job || isActive(job)) return;
    this.loadId = null;
    if (job.state === "done" && this.text) void this.read(this.text, false);
    else if (job.state === "failed") this.reason = job.error ?? "The model could not be loaded.";
  }

  private async read(text: Text, ready: boolean): Promise<void> {
    const turn = ++this.turn;
    try {
      const seen = await look(text.model.trim(), text.dictionary.trim(), text.prompt, text.sink || null);
      if (turn !== this.turn) return;
      this.look = seen;
      this.current = true;
      this.reason = "";
      this.unloaded = false;
    } catch (problem) {
      if (turn !== this.turn) return;
      this.unloaded = problem instanceof Refused && problem.status === 409;
      this.reason = this.unloaded ? "" : sentence(problem);
      const untried = !this.tried.has(`${text.model}\n${text.dictionary}`);
      if (this.unloaded && ready && untried && !this.loading) await this.load();
    }
  }
}

const sentence = (problem: unknown): string => (problem instanceof Error ? problem.message : String(problem));
