/** Light or dark: the system's theme, unless a person chose. */

import { readStored, writeStored } from "./browser_storage.ts";

const KEY = "clew-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

class Theme {
  private choice = $state<"system" | "light" | "dark">("system");
  private systemDark = $state(system.matches);
  readonly dark = $derived(this.choice === "system" ? this.systemDark : this.choice === "dark");

  constructor() {
    const stored = readStored(KEY);
    if (stored === "light" || stored === "dark") this.show(stored);
    system.addEventListener("change", ({ matches }) => (this.systemDark = matches));
  }

  toggle(): void {
    const choice = this.dark ? "light" : "dark";
    writeStored(KEY, choice);
    this.show(choice);
  }

  private show(choice: "light" | "dark"): void {
    this.choice = choice;
    document.documentElement.dataset.theme = choice;
  }
}

export const theme = new Theme();
