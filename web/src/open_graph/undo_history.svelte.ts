/** Undo and redo: steps that can be taken back and done again. */

import { toasts } from "../app/toasts.svelte.ts";

export interface Step {
  /** Names the step in messages: "label L12/4031". */
  text: string;
  undo: () => void;
  redo: () => void;
  /** Steps of one name that follow each other closely become one: a slider that moves. */
  merge?: string;
}

/** Milliseconds between two steps that become one. */
const MERGED_WITHIN = 1200;

export class UndoHistory {
  private done = $state.raw<Step[]>([]);
  private undone = $state.raw<Step[]>([]);
  readonly canUndo: boolean = $derived(this.done.length > 0);
  readonly canRedo: boolean = $derived(this.undone.length > 0);
  /** Time of the last new step (milliseconds). */
  private recordedAt = 0;

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
    this.done = merges ? [...this.done.slice(0, -1), { ...step, undo: last.undo }] : [...this.done, step];
    this.undone = [];
    this.recordedAt = now;
  }

  undo(): void {
    const step = this.done.at(-1);
    if (!step) return;
    step.undo();
    this.done = this.done.slice(0, -1);
    this.undone = [...this.undone, step];
    this.recordedAt = 0;
    toasts.tell(`Undone: ${step.text}`, { label: "Redo", run: () => this.redo() });
  }

  redo(): void {
    const step = this.undone.at(-1);
    if (!step) return;
    step.redo();
    this.done = [...this.done, step];
    this.undone = this.undone.slice(0, -1);
    this.recordedAt = 0;
    toasts.tell(`Done again: ${step.text}`, { label: "Undo", run: () => this.undo() });
  }
}
