/** Undo and redo: steps that can be taken back and taken again. */

export interface Step {
  /** What was done, as it is told: "label L12/4031". */
  text: string;
  undo: () => void;
  redo: () => void;
  /** Steps of one name that follow each other closely are one: a slider that moves. */
  merge?: string;
}

const MERGED_WITHIN = 1200;
/** Milliseconds. */

export interface History {
  done: Step[];
  undone: Step[];
  /** When the last step was made (milliseconds). */
  at: number;
}

export const emptyHistory = (): History => ({ done: [], undone: [], at: 0 });

export function record(history: History, step: Step, now = Date.now()): History {
  const last = history.done.at(-1);
  if (step.merge && last?.merge === step.merge && now - history.at < MERGED_WITHIN)
    return { done: [...history.done.slice(0, -1), { ...step, undo: last.undo }], undone: [], at: now };
  return { done: [...history.done, step], undone: [], at: now };
}

export function undo(history: History): History {
  const step = history.done.at(-1);
  if (!step) return history;
  step.undo();
  return { done: history.done.slice(0, -1), undone: [...history.undone, step], at: 0 };
}

export function redo(history: History): History {
  const step = history.undone.at(-1);
  if (!step) return history;
  step.redo();
  return { done: [...history.done, step], undone: history.undone.slice(0, -1), at: 0 };
}
