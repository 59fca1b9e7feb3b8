/** A preview of a prompt while it is written: its tokens and likeliest next ones. Loads the model where it must. */

import { messageOf } from "../format/numbers.ts";
import { look, Refused } from "../api/client.ts";
import type { Job, Preview, PreviewRequest } from "../api/types.ts";
import { isActive, jobs } from "../jobs/jobs.svelte.ts";

/** Milliseconds without a key before the model is asked. */
const PAUSE = 300;

export class PromptPreview {
  /** The last answer. */
  look = $state.raw<Preview | null>(null);
  /** True where `look` answers the prompt as it is now. */
  current = $state(false);
  /** The server's sentence on why there is nothing newer. */
  reason = $state("");
  /** The reason why the model could not be loaded. */
  loadFailure = $state("");
  /** The reasons why targets cannot be explained, by the targets' names; of the last answer. */
  targetProblems = $state.raw<ReadonlyMap<string, string>>(new Map());
  /** True where the model has to be loaded first. */
  unloaded = $state(false);
  private loadId = $state<string | null>(null);
  readonly loading: Job | null = $derived.by(() => {
    const job = this.loadId === null ? null : jobs.find(this.loadId);
    return job && isActive(job) ? job : null;
  });

  private request: PreviewRequest | null = null;
  private turn = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly loadTried = new Set<string>();

  /** Ask for a preview once nobody types; a model that is `ready` on this machine is loaded without asking. */
  ask(request: PreviewRequest, ready: boolean): void {
    if (this.request?.model !== request.model || this.request.dictionary !== request.dictionary) {
      this.look = null;
      this.loadFailure = "";
    }
    this.request = request;
    this.current = false;
    this.stop();
    if (!request.prompt || !request.model.trim() || !request.dictionary.trim()) {
      if (!request.prompt) this.look = null;
      this.targetProblems = new Map();
      this.reason = "";
      this.unloaded = false;
      return;
    }
    this.timer = setTimeout(() => void this.read(request, ready), PAUSE);
  }

  /** Drop what is not answered yet. */
  stop(): void {
    this.turn++;
    clearTimeout(this.timer);
  }

  /** Load the model, or wait for a job that already loads it. */
  async load(): Promise<void> {
    if (!this.request) return;
    const { model, dictionary } = this.request;
    this.loadTried.add(`${model}\n${dictionary}`);
    this.loadFailure = "";
    const running = jobs.active.find(
      ({ request: wanted }) =>
        wanted.kind === "load" && wanted.model === model && wanted.dictionary === dictionary,
    );
    try {
      const job = running ?? (await jobs.start({ kind: "load", model, dictionary }));
      jobs.watched.add(job.id);
      this.loadId = job.id;
      this.noticeLoad();
    } catch (problem) {
      this.loadFailure = messageOf(problem);
    }
  }

  /** To be called when jobs change: once the model is loaded, asks again; where it failed, gives the reason. */
  noticeLoad(): void {
    const job = this.loadId === null ? null : jobs.find(this.loadId);
    if (!job || isActive(job)) return;
    this.loadId = null;
    if (job.state === "done" && this.request) void this.read(this.request, false);
    else if (job.state === "failed") this.loadFailure = job.error ?? "The model could not be loaded.";
  }

  private async read(request: PreviewRequest, ready: boolean): Promise<void> {
    const turn = ++this.turn;
    try {
      const answer = await look({
        ...request,
        model: request.model.trim(),
        dictionary: request.dictionary.trim(),
      });
      if (turn !== this.turn) return;
      this.look = answer;
      const targets = (request.targets ?? []).map((name, place) => [name, answer.target_problems[place]]);
      this.targetProblems = new Map(
        targets.filter((pair): pair is [string, string] => typeof pair[1] === "string"),
      );
      this.current = true;
      this.reason = "";
      this.unloaded = false;
    } catch (problem) {
      if (turn !== this.turn) return;
      this.unloaded = problem instanceof Refused && problem.status === 409;
      this.reason = this.unloaded ? "" : messageOf(problem);
      const untried = !this.loadTried.has(`${request.model}\n${request.dictionary}`);
      if (this.unloaded && ready && untried && !this.loading) await this.load();
    }
  }
}
