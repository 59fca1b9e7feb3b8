/** Undo and redo: steps that can be taken back and done again. */

import { readStoredJson, writeStored } from "../app/browser_storage.ts";
import { toasts } from "../app/toasts.svelte.ts";

export interface Step {
  /** Names the step in messages: "label L12/4031". */
  text: string;
  undo: () => void;
  redo: () => void;
  /** Steps of one name that follow each other closely become one: a slider that moves. */
  merge?: string;
  /** The changes of the step, where it is to live through a reload of the page. */
  kept?: Kept;
}

/** A step as the browser keeps it: changes of annotations or of the view, and those that take them back. */
interface Kept {
  kind: "annotations" | "view";
  back: unknown;
  forth: unknown;
}

type KeptStep = Kept & { text: string };
type Apply = Record<Kept["kind"], (changes: never) => void>;

/** Steps that are kept for a reload, at most. */
const MOST_KEPT = 100;

/** Milliseconds between two steps that become one. */
const MERGED_WITHIN = 1200;

export class UndoHistory {
  private done = $state.raw<Step[]>([]);
  private undone = $state.raw<Step[]>([]);
  readonly canUndo: boolean = $derived(this.done.length > 0);
  readonly canRedo: boolean = $derived(this.undone.length > 0);
  /** Time of the last new step (milliseconds). */
  private recordedAt = 0;

  /** The key in the store of the tab; null as long as nothing is kept. */
  private key: string | null = null;

  /** Take up the steps from before a reload, and keep those to come. */
  keepUnder(key: string, apply: Apply): void {
    const stored = (readStoredJson(key, "sessionStorage") ?? {}) as Record<string, KeptStep[] | undefined>;
    const revived = ({ text, ...kept }: KeptStep): Step => ({
      text,
      kept,
      undo: () => apply[kept.kind](kept.back as never),
      redo: () => apply[kept.kind](kept.forth as never),
    });
    this.done = (stored.done ?? []).map(revived);
    this.undone = (stored.undone ?? []).map(revived);
    this.key = key;
  }

  private keep(): void {
    if (this.key === null) return;
    const kept = (steps: readonly Step[]) =>
      steps.flatMap(({ text, kept }) => (kept ? { ...kept, text } : [])).slice(-MOST_KEPT);
    const steps = { done: kept(this.done), undone: kept(this.undone) };
    writeStored(this.key, JSON.stringify(steps), "sessionStorage");
  }

  /** Do something that undo takes back. */
  act(step: Step): void {
    step.redo();
    this.record(step);
  }

  /** Note a step that is done already. */
  record(step: Step): void {
    const now = Date.now();
    const last = this.done.at(-1);
    const merges = step.merge && last?.merge === step.merge && now - this.recordedAt < MERGED_WITHIN;
    this.done = merges ? [...this.done.slice(0, -1), joined(last, step)] : [...this.done, step];
    this.undone = [];
    this.recordedAt = now;
    this.keep();
  }

  undo(): void {
    const step = this.done.at(-1);
    if (!step) return;
    step.undo();
    this.done = this.done.slice(0, -1);
    this.undone = [...this.undone, step];
    this.recordedAt = 0;
    this.keep();
    toasts.tell(`Undone: ${step.text}`, { label: "Redo", run: () => this.redo() });
  }

  redo(): void {
    const step = this.undone.at(-1);
    if (!step) return;
    step.redo();
    this.done = [...this.done, step];
    this.undone = this.undone.slice(0, -1);
    this.recordedAt = 0;
    this.keep();
    toasts.tell(`Done again: ${step.text}`, { label: "Undo", run: () => this.undo() });
  }
}

/** Two steps as one, which undo takes back together. */
const joined = (first: Step, last: Step): Step => ({
  ...last,
  undo: first.undo,
  ...(first.kept && last.kept && { kept: { ...last.kept, back: first.kept.back } }),
});
