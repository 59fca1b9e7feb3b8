/** Short messages over the page: what was done, with a way to take it back, and what went wrong. */

export interface ToastAction {
  label: string;
  run: () => void;
}

export interface Toast {
  id: number;
  text: string;
  kind: "told" | "wrong";
  action: ToastAction | null;
}

const SHOWN_FOR = 10_000;
/** Milliseconds; what went wrong stays until it is closed. */
const MOST = 2;

class Toasts {
  list = $state.raw<Toast[]>([]);
  private last = 0;
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>();

  tell(text: string, action: ToastAction | null = null): number {
    return this.add({ id: ++this.last, text, kind: "told", action });
  }

  /** Say what went wrong: a sentence, or an error that has one. */
  warn(problem: unknown): number {
    const text = problem instanceof Error ? problem.message : String(problem);
    const said = this.list.find((toast) => toast.kind === "wrong" && toast.text === text);
    return said?.id ?? this.add({ id: ++this.last, text, kind: "wrong", action: null });
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
    if (this.list.find((toast) => toast.id === id)?.kind === "told")
      this.timers.set(
        id,
        setTimeout(() => this.close(id), SHOWN_FOR),
      );
  }

  private add(toast: Toast): number {
    for (const old of this.list.slice(0, Math.max(0, this.list.length + 1 - MOST))) this.close(old.id);
    this.list = [...this.list, toast];
    this.release(toast.id);
    return toast.id;
  }
}

export const toasts = new Toasts();
