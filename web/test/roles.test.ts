import { describe, expect, it } from "vitest";
import { colorOfRole, roleOfColumn, runsOfRoles } from "../src/graph/roles.ts";

const ROLES = ["template", "system", "template", "user", "user", "template", "assistant"];

describe("roles of a chat", () => {
  it("gives the sides of a chat colours of their own", () => {
    const colors = ["user", "assistant", "system", "tool", "template"].map(colorOfRole);
    expect(new Set(colors).size).toBe(5);
    expect(colorOfRole("developer")).toBe(colorOfRole("system"));
  });

  it("knows the role of tokens that are drawn together", () => {
    expect(roleOfColumn(ROLES, [3])).toBe("user");
    expect(roleOfColumn(ROLES, [3, 4])).toBe("user");
    expect(roleOfColumn(ROLES, [2, 3])).toBeNull();
    expect(roleOfColumn([], [0])).toBeNull();
  });

  it("puts tokens of one role together", () => {
    const runs = runsOfRoles(["a", "b", "c", "d", "e", "f", "g"], ROLES);
    expect(runs.map(({ role, texts }) => role + texts.length)).toEqual([
      "template1",
      "system1",
      "template1",
      "user2",
      "template1",
      "assistant1",
    ]);
  });
});
