/** Saves annotations on the server, one request at a time, and keeps what could not be sent for later. */

import { messageOf } from "../format/numbers.ts";
import { readStoredJson, writeStored } from "../app/browser_storage.ts";
import { annotate, annotations, Refused } from "../api/client.ts";
import type { AnnotationChanges, AnnotationValues } from "../api/types.ts";

export type SavingState = "saved" | "saving" | "waiting" | "refused";

export interface Saver {
  /** Fetch what is stored, and send what an earlier page could not. */
  begin(): Promise<AnnotationValues>;
  save(changes: AnnotationChanges): void;
  /** Fetch what other pages changed. */
  refresh(): void;
  /** Resolves when everything is sent. */
  settled(): Promise<void>;
}

interface SaverListener {
  /** Another page wrote these values. */
  onOthers(changes: AnnotationChanges): void;
  /** Another page changed these keys first; its values are kept. */
  onConflict(conflicts: AnnotationChanges): void;
  onState(state: SavingState, reason: string): void;
}

/** Milliseconds until the next try when the server does not answer. */
const RETRY_AFTER = 3000;
/** Begins the keys under which the browser keeps unsent changes. */
const UNSENT = "clew-unsent:";

/** A saver for one graph. Unsent changes stay in the browser, and are sent when the graph is opened again. */
export function makeSaver(graph: string, listener: SaverListener): Saver {
  let revision = 0;
  let pending = (readStoredJson(UNSENT + graph) ?? {}) as AnnotationChanges;
  let busy: Promise<void> | null = null;

  function keepUnsent(): void {
    const isEmpty = Object.keys(pending).length === 0;
    writeStored(UNSENT + graph, isEmpty ? null : JSON.stringify(pending));
  }

  async function send(): Promise<void> {
    do {
      const sending = pending;
      listener.onState("saving", "");
      try {
        const answer = await annotate(graph, revision, sending);
        revision = answer.revision;
        for (const key of Object.keys(sending)) if (pending[key] === sending[key]) delete pending[key];
        keepUnsent();
        announce(answer.values, answer.conflicts, sending);
      } catch (error) {
        if (error instanceof Refused && error.status >= 400 && error.status < 500) {
          pending = {};
          keepUnsent();
          listener.onState("refused", error.message);
          return;
        }
        listener.onState("waiting", messageOf(error));
        await new Promise((resume) => setTimeout(resume, RETRY_AFTER));
      }
    } while (Object.keys(pending).length);
    listener.onState("saved", "");
  }

  function announce(values: AnnotationChanges, conflicts: AnnotationChanges, sent: AnnotationChanges): void {
    const others = Object.entries(values).filter(([key]) => !(key in sent) && !(key in pending));
    if (others.length) listener.onOthers(Object.fromEntries(others));
    if (Object.keys(conflicts).length) listener.onConflict(conflicts);
  }

  function start(): void {
    busy ??= send().finally(() => (busy = null));
  }

  return {
    async begin() {
      const stored = await annotations(graph);
      revision = stored.revision;
      if (Object.keys(pending).length) start();
      return stored.values;
    },
    save(changes) {
      pending = { ...pending, ...changes };
      keepUnsent();
      start();
    },
    refresh: start,
    settled: async () => {
      while (busy) await busy;
    },
  };
}
