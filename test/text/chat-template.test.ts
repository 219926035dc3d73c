import { expect, test } from "vitest";
import { answerPieces, beforeAnswer, beforeUser, betweenTurns, chatTemplate } from "../../src/text/chat-template.ts";
import type { Piece } from "../../src/text/pieces.ts";

// Prompts, stop tokens and label spans of the original code: test/golden/checks/internvl-prompts.ts.

test("one turn of each template, written out", () => {
  const prompt = (name: string): string[] => {
    const template = chatTemplate(name);
    return [spell([...beforeUser(template, "S")]), spell([...beforeAnswer(template)]), spell([...answerPieces(template, "A")]), spell([...betweenTurns(template)])];
  };

  const chatml = ["<|im_start|>system\nS<|im_end|><|im_start|>user\n", "<|im_end|><|im_start|>assistant\n", "A<|im_end|>", "<|im_start|>user\n"];
  expect(prompt("Hermes-2")).toEqual(chatml);
  expect(prompt("internlm2-chat")).toEqual(chatml);
  expect(prompt("internvl2_5")).toEqual(["<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "A<|im_end|>", "\n<|im_start|>user\n"]);
  expect(prompt("phi3-chat")).toEqual(["<|system|>\nS<|end|><|user|>\n", "<|end|><|assistant|>\n", "A<|end|>", "<|user|>\n"]);
  expect(prompt("internvl_zh")).toEqual(["S <human>: ", " <bot>:", " A</s>", "<human>: "]);
});

test("headers and ends are control tokens, never text that merely looks like them", () => {
  for (const name of ["Hermes-2", "internlm2-chat", "phi3-chat", "internvl2_5"]) {
    const template = chatTemplate(name);
    const pieces = [...beforeUser(template, "S"), ...beforeAnswer(template), ...answerPieces(template, "A"), ...betweenTurns(template)];
    expect(pieces.filter((piece) => piece.kind === "control").length).toBe(7);
    for (const piece of pieces) if (piece.kind === "text") expect(piece.text).not.toContain("<|");
  }
});

test("the system block stays when the message is empty", () => {
  expect(spell(beforeUser(chatTemplate("Hermes-2"), ""))).toBe("<|im_start|>system\n<|im_end|><|im_start|>user\n");
});

test("an unknown template lists the known ones", () => {
  expect(() => chatTemplate("hermes2")).toThrow('CheckpointError config.json template: unknown chat template "hermes2".\n  Known: Hermes-2, internlm2-chat, phi3-chat, internvl2_5, internvl_zh. Did you mean "Hermes-2"?');
  expect(() => chatTemplate("toString")).toThrow('unknown chat template "toString"');
});

function spell(pieces: readonly Piece[]): string {
  return pieces.map((piece) => (piece.kind === "text" ? piece.text : piece.token)).join("");
}
