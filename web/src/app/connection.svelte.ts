/** Whether the server is there. */

import { on } from "../api/events.ts";

const PATIENCE = 1500;
/** Milliseconds until a lost stream is told: most come back at once. */

class Connection {
  lost = $state(false);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private following = false;

  follow(): void {
    if (this.following) return;
    this.following = true;
    on("connected", () => {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.lost = false;
    });
    on("lost", () => (this.timer ??= setTimeout(() => (this.lost = true), PATIENCE)));
  }
}

export const connection = new Connection();
