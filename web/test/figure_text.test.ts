import { expect, it } from "vitest";
import { RecordedContext } from "../src/export/recorded_context.ts";

it("shows characters that steer as escapes in a figure, and keeps joined emoji", () => {
  const context = new RecordedContext((text) => text.length);
  context.fillText("a\u001b[31m\u202eb\u009b👩\u200d🔬", 0, 0);
  const [shape] = context.shapes;
  expect(shape.kind === "text" && shape.text).toBe("a\\x1b[31m\\u202eb\\x9b👩\u200d🔬");
  expect(context.measureText("\u0007").width).toBe(4);
});
