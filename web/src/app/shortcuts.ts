/** Shortcuts as the help sheet lists them. */

export interface ShortcutGroup {
  title: string;
  /** Keys with spaces between them ("Ctrl Z"), and what they do. */
  keys: [string, string][];
}

export const EVERYWHERE: ShortcutGroup = {
  title: "Everywhere",
  keys: [["?", "show or hide this sheet"]],
};
