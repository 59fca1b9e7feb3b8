/** Keys of a graph's page: what each does, and the list of them on the help sheet. */

import { isPlain, isTyping, withControl, type ShortcutGroup } from "../app/keyboard.ts";
import type { Mode } from "../app/address.ts";
import type { OpenGraph } from "../open_graph/open_graph.svelte.ts";

export const GRAPH_SHORTCUTS: ShortcutGroup = {
  title: "Graph",
  keys: [
    ["1", "story"],
    ["2", "everything"],
    ["3", "what you chose"],
    ["4", "summary"],
    ["↑ ↓", "go along the strongest edge"],
    ["← →", "go along the prompt"],
    ["Enter", "select a group, again to open it"],
    ["Shift click", "add to the selection"],
    ["Shift drag", "select with a lasso"],
    ["Space", "pin or unpin"],
    ["G", "group the selection"],
    ["U", "take out of its group"],
    ["L", "label"],
    ["N", "the node itself"],
    ["P", "paths"],
    ["T", "test: change features"],
    ["/", "search nodes"],
    ["Ctrl Z", "undo"],
    ["Ctrl Shift Z", "redo"],
    ["Esc", "select nothing"],
  ],
};

/** Switch between the story, everything, the chosen nodes and the summary. */
export const showMode = ({ view }: OpenGraph, mode: Mode): void =>
  view.changeUndoably(`show ${mode}`, { mode });

function editLabel(openGraph: OpenGraph): void {
  const { view, graph } = openGraph;
  if (view.current === null) return;
  openGraph.labelling = view.current;
  view.change({ tab: "node", selected: [graph.ids[view.current]] });
}

/** Do what a key stands for; keys that go into a field, a dialog or a button are left to it. */
export function handleKey(event: KeyboardEvent, openGraph: OpenGraph, focusSearch: () => void): void {
  if (isTyping(event) || document.querySelector("dialog[open]")) return;
  const action = withControl(event)
    ? undoAction(event, openGraph)
    : plainAction(event, openGraph, focusSearch);
  if (!action) return;
  event.preventDefault();
  action();
}

function undoAction({ key, shiftKey }: KeyboardEvent, { history }: OpenGraph): (() => void) | undefined {
  if (key.toLowerCase() === "y" || (key.toLowerCase() === "z" && shiftKey)) return () => history.redo();
  return key.toLowerCase() === "z" ? () => history.undo() : undefined;
}

function plainAction(
  event: KeyboardEvent,
  openGraph: OpenGraph,
  focusSearch: () => void,
): (() => void) | undefined {
  const { annotations, view } = openGraph;
  if (!isPlain(event)) return undefined;
  if (event.key === " " && (event.target as Element).closest?.("button, [role=button]")) return undefined;
  const actions: Record<string, () => void> = {
    "1": () => showMode(openGraph, "story"),
    "2": () => showMode(openGraph, "all"),
    "3": () => showMode(openGraph, "chosen"),
    "4": () => showMode(openGraph, "summary"),
    "/": focusSearch,
    " ": () => annotations.togglePins(view.selected),
    g: () => openGraph.askForGroup(),
    u: () => annotations.leaveGroups(view.selected),
    l: () => editLabel(openGraph),
    p: () => view.change({ tab: "paths" }),
    t: () => view.change({ tab: "test" }),
    n: () => view.change({ tab: "node" }),
    Escape: () => view.select([]),
  };
  return actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
}
