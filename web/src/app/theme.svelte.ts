/** Light or dark: the system's, unless a person chose. */

type Choice = "system" | "light" | "dark";
const KEY = "clew-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function stored(): Choice {
  try {
    const found = localStorage.getItem(KEY);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}

class Theme {
  choice = $state<Choice>(stored());
  private systemDark = $state(system.matches);
  readonly dark = $derived(this.choice === "system" ? this.systemDark : this.choice === "dark");

  constructor() {
    system.addEventListener("change", ({ matches }) => (this.systemDark = matches));
    this.show();
  }

  toggle(): void {
    this.choice = this.dark ? "light" : "dark";
    try {
      localStorage.setItem(KEY, this.choice);
    } catch {
      // A browser without a store: the choice holds for this page.
    }
    this.show();
  }

  private show(): void {
    if (this.choice === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.choice;
  }
}

export const theme = new Theme();
