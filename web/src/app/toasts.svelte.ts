/** Short messages over the page: what was done, with a way to take it back, and what went wrong. */

import { messageOf } from "../format/numbers.ts";

export interface ToastAction {
  label: string;
  run: () => void;
}

export interface Toast {
  id: number;
  text: string;
  kind: "note" | "warning";
  action: ToastAction | null;
}

/** Milliseconds that a note is shown; a warning stays until it is closed. */
const SHOWN_FOR = 10_000;
const MOST_TOASTS = 2;

class Toasts {
  list = $state.raw<Toast[]>([]);
  private lastId = 0;
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>();

  /** Show a note; returns its id. */
  tell(text: string, action: ToastAction | null = null): number {
    return this.add({ id: ++this.lastId, text, kind: "note", action });
  }

  /** Show what went wrong, once: a sentence, or an error that has one. */
  warn(problem: unknown): void {
    const text = messageOf(problem);
    if (!this.list.some((toast) => toast.kind === "warning" && toast.text === text))
      this.add({ id: ++this.lastId, text, kind: "warning", action: null });
  }

  /** Close warnings whose cause is mended. */
  mended(text: string): void {
    for (const toast of this.list) if (toast.kind === "warning" && toast.text === text) this.close(toast.id);
  }

  close(id: number): void {
    this.hold(id);
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Keep a toast while it is pointed at or has the focus. */
  hold(id: number): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
  }

  release(id: number): void {
    this.hold(id);
    if (this.list.find((toast) => toast.id === id)?.kind !== "note") return;
    const timer = setTimeout(() => this.close(id), SHOWN_FOR);
    this.timers.set(id, timer);
  }

  private add(toast: Toast): number {
    for (const old of this.list.slice(0, Math.max(0, this.list.length + 1 - MOST_TOASTS))) this.close(old.id);
    this.list = [...this.list, toast];
    this.release(toast.id);
    return toast.id;
  }
}

export const toasts = new Toasts();
