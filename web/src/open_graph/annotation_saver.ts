/** Send changes of the annotations to the server, one request at a time, and keep what could not be sent. */

import { annotate, annotations, Refused } from "../api/client.ts";
import type { AnnotationChanges, AnnotationValues } from "../api/types.ts";

export type SavingState = "saved" | "saving" | "waiting" | "refused";

export interface Saver {
  begin(): Promise<AnnotationValues>;
  save(changes: AnnotationChanges): void;
  /** Somebody else changed something: fetch it. */
  refresh(): void;
  /** Resolves when nothing is left to send. */
  settled(): Promise<void>;
}

interface Told {
  /** Values that another page wrote. */
  onOthers(changes: AnnotationChanges): void;
  /** Keys that another page changed first: theirs stands. */
  onConflict(conflicts: AnnotationChanges): void;
  onState(state: SavingState, reason: string): void;
}

const AGAIN_AFTER = 3000;
/** Milliseconds until the next try when the server does not answer. */
const PENDING = "clew-unsent:";

/** What could not be sent stays in the browser's own store, and goes out when the graph is opened again. */
export function makeSaver(graph: string, told: Told): Saver {
  let revision = 0;
  let pending: AnnotationChanges = readPending(graph);
  let busy: Promise<void> | null = null;

  async function send(): Promise<void> {
    do {
      const sending = pending;
      told.onState("saving", "");
      try {
        const answer = await annotate(graph, revision, sending);
        revision = answer.revision;
        for (const key of Object.keys(sending)) if (pending[key] === sending[key]) delete pending[key];
        keepPending(graph, pending);
        tell(answer.values, answer.conflicts, sending);
      } catch (error) {
        if (error instanceof Refused && error.status >= 400 && error.status < 500) {
          pending = {};
          keepPending(graph, pending);
          told.onState("refused", error.message);
          return;
        }
        told.onState("waiting", error instanceof Error ? error.message : String(error));
        await new Promise((resume) => setTimeout(resume, AGAIN_AFTER));
      }
    } while (Object.keys(pending).length);
    told.onState("saved", "");
  }

  function tell(values: AnnotationChanges, conflicts: AnnotationChanges, sent: AnnotationChanges): void {
    const others = Object.entries(values).filter(([key]) => !(key in sent) && !(key in pending));
    if (others.length) told.onOthers(Object.fromEntries(others));
    if (Object.keys(conflicts).length) told.onConflict(conflicts);
  }

  function start(): void {
    busy ??= send().finally(() => (busy = null));
  }

  return {
    async begin() {
      const found = await annotations(graph);
      revision = found.revision;
      if (Object.keys(pending).length) start();
      return found.values;
    },
    save(changes) {
      pending = { ...pending, ...changes };
      keepPending(graph, pending);
      start();
    },
    refresh: start,
    settled: async () => {
      while (busy) await busy;
    },
  };
}

function readPending(graph: string): AnnotationChanges {
  try {
    return JSON.parse(localStorage.getItem(PENDING + graph) ?? "{}") as AnnotationChanges;
  } catch {
    return {};
  }
}

function keepPending(graph: string, pending: AnnotationChanges): void {
  try {
    if (Object.keys(pending).length) localStorage.setItem(PENDING + graph, JSON.stringify(pending));
    else localStorage.removeItem(PENDING + graph);
  } catch {
    // A browser without a store: the changes stay in memory.
  }
}
