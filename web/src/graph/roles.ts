/** Chats: the roles of tokens, and the question that a graph is about. */

import type { GraphInfo } from "./graph.ts";

export interface RoleRun {
  role: string;
  /** The position of the first token. */
  begin: number;
  texts: string[];
}

/** The colour of the style sheet for a role. */
export function colorOfRole(role: string): "lowers" | "raises" | "accent" | "feature" | "faint" {
  if (role === "user") return "lowers";
  if (role === "assistant") return "raises";
  if (role === "system" || role === "developer") return "accent";
  return role === "tool" ? "feature" : "faint";
}

/** The one role of tokens that are drawn together; null for several, and where the prompt is no chat. */
export function roleOfColumn(roles: readonly string[], positions: readonly number[]): string | null {
  const own = new Set(positions.map((position) => roles[position]));
  return own.size === 1 ? ([...own][0] ?? null) : null;
}

/** Tokens that follow each other and have one role. */
export function runsOfRoles(tokens: readonly string[], roles: readonly string[]): RoleRun[] {
  const runs: RoleRun[] = [];
  tokens.forEach((text, position) => {
    const last = runs.at(-1);
    if (last?.role === roles[position]) last.texts.push(text);
    else runs.push({ role: roles[position], begin: position, texts: [text] });
  });
  return runs;
}

/** The prompt; of a chat the user's last message, with what the assistant has begun to answer. */
export function questionOf({ prompt, messages }: GraphInfo): string {
  const last = messages.findLastIndex(([role]) => role === "user");
  const asked = last < 0 ? messages.slice(-1) : messages.slice(last);
  return asked.map(([, text]) => text).join(" / ") || prompt;
}
