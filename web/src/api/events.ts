/** What happens on the server, as it happens: one stream for the whole page. */

import type { FeatureLabel, Job } from "./types.ts";

export interface Events {
  job: Job;
  library: { graph: string; what: "added" | "changed" | "deleted" };
  annotations: { graph: string; revision: number };
  label: { model: string; dictionary: string; feature: string; label: FeatureLabel | null };
  /** The stream began (again): what was missed has to be asked for. */
  connected: null;
  lost: null;
}

type Listener<K extends keyof Events> = (event: Events[K]) => void;

const listeners: { [K in keyof Events]: Set<Listener<K>> } = {
  job: new Set(),
  library: new Set(),
  annotations: new Set(),
  label: new Set(),
  connected: new Set(),
  lost: new Set(),
};
let stream: EventSource | null = null;

/** Listen until the returned function is called; the first listener opens the stream. */
export function on<K extends keyof Events>(name: K, listener: Listener<K>): () => void {
  if (!stream) open();
  listeners[name].add(listener);
  return () => listeners[name].delete(listener);
}

function tell<K extends keyof Events>(name: K, event: Events[K]): void {
  for (const listener of [...listeners[name]]) listener(event);
}

/**
 * A tab that nobody looks at lets its stream go: a browser opens six connections to a server at most, and so many
 * tabs would leave none for anything else. What it missed is asked for when it comes to the front again.
 */
function open(): void {
  if (stream === null)
    document.addEventListener("visibilitychange", () => (document.hidden ? hangUp() : dial()));
  dial();
}

function hangUp(): void {
  stream?.close();
}

function dial(): void {
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource("/api/events");
  stream.onopen = () => tell("connected", null);
  stream.onerror = () => tell("lost", null);
  for (const name of ["job", "library", "annotations", "label"] as const)
    stream.addEventListener(name, (message) =>
      tell(name, JSON.parse((message as MessageEvent<string>).data) as never),
    );
}
