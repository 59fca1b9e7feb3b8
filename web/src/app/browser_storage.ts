/** Texts that the browser keeps: `localStorage` for good, `sessionStorage` as long as the tab is open. */

type Store = "localStorage" | "sessionStorage";

/** The text under a key; null where there is none, undefined where the browser forbids its store. */
export function readStored(key: string, store: Store = "localStorage"): string | null | undefined {
  try {
    return globalThis[store].getItem(key);
  } catch {
    return undefined;
  }
}

/** Keep a text, or remove it (null). Where the browser forbids its store, nothing is kept. */
export function writeStored(key: string, text: string | null, store: Store = "localStorage"): void {
  try {
    if (text === null) globalThis[store].removeItem(key);
    else globalThis[store].setItem(key, text);
  } catch {
    // The page works without: what it shows holds as long as it is open.
  }
}

/** The JSON value under a key; null where there is none, or none that can be read. */
export function readStoredJson(key: string, store: Store = "localStorage"): unknown {
  try {
    return JSON.parse(readStored(key, store) ?? "null");
  } catch {
    return null;
  }
}
