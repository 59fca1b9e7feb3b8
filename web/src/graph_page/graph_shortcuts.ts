/** The keys of a graph's page, for the help sheet. */

import type { ShortcutGroup } from "../app/shortcuts.ts";

export const GRAPH_KEYS: ShortcutGroup = {
  title: "Graph",
  keys: [
    ["1", "summary"],
    ["2", "everything"],
    ["3", "what you chose"],
    ["↑ ↓", "walk along the strongest edge"],
    ["← →", "walk along the prompt"],
    ["Enter", "select a group, again to open it"],
    ["Shift click", "add to the selection"],
    ["Shift drag", "select with a lasso"],
    ["Space", "pin or unpin"],
    ["G", "group the selection"],
    ["U", "take out of its group"],
    ["L", "label"],
    ["N", "the node itself"],
    ["P", "paths"],
    ["T", "change it and see"],
    ["/", "search nodes"],
    ["Ctrl Z", "undo"],
    ["Ctrl Shift Z", "redo"],
    ["Esc", "select nothing"],
  ],
};
