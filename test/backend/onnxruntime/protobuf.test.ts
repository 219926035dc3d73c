import { expect, test } from "vitest";
import { type AttributeValue, encodeModel, type OnnxGraph } from "../../../src/backend/onnxruntime/protobuf.ts";

/** Protobuf: a key is field * 8 + wire type (0 varint, 2 bytes, 5 four bytes); lengths and integers are varints. */
const EMPTY: OnnxGraph = { nodes: [], inputs: [], outputs: [], initializers: [] };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const ascii = (text: string): string => Buffer.from(text, "latin1").toString("hex");

const HEAD = [
  "0808", // ir_version = 8
  "42 04 0a00 1011", // opset_import { domain = "", version = 17 }
  `42 11 0a0d ${ascii("com.microsoft")} 1001`,
].join("");
const NAME = `1204 ${ascii("m2se")}`; // graph name

const expected = (parts: string): string => parts.replaceAll(/\s/g, "");

test("an empty graph is the header and a name", () => {
  expect(hex(encodeModel(EMPTY))).toBe(expected(`${HEAD} 3a06 ${NAME}`));
});

test("nodes, inputs, outputs and constants stand in their fields", () => {
  const graph: OnnxGraph = {
    nodes: [{ op: "Add", domain: "", inputs: ["x", "c"], outputs: ["y"], attributes: {} }],
    inputs: [{ name: "x", type: "float32", shape: [300, "n"] }],
    outputs: [{ name: "y", type: "int64", shape: [] }],
    initializers: [{ name: "c", type: "float32", shape: [1], bytes: Uint8Array.of(0, 0, 0xc0, 0x3f) }],
  };

  const node = `0a10 0a01${ascii("x")} 0a01${ascii("c")} 1201${ascii("y")} 2203${ascii("Add")} 3a00`;
  const constant = "2a0d 0801 1001 4201" + ascii("c") + "4a04 0000c03f"; // dims, data_type, name, raw_data
  const input = `5a15 0a01${ascii("x")} 1210 0a0e 0801 120a 0a03 08ac02 0a03 1201${ascii("n")}`; // 300 = ac 02
  const output = `620b 0a01${ascii("y")} 1206 0a04 0807 1200`;
  const body = expected(node + NAME + constant + input + output);
  expect(hex(encodeModel(graph))).toBe(expected(`${HEAD} 3a ${(body.length / 2).toString(16)} ${body}`));
});

test.each<readonly [name: string, value: AttributeValue, fields: string]>([
  ["an integer", 5, "1805 a00102"],
  ["an integer of two bytes", 128, "188001 a00102"],
  ["zero", 0, "1800 a00102"],
  ["a negative integer: ten bytes of two's complement", -1, "18 ffffffffffffffffff01 a00102"],
  ["an integer above 32 bits", 2 ** 35, "18 808080808001 a00102"],
  ["a float", { float: 1.5 }, "15 0000c03f a00101"],
  ["a negative float", { float: -0.25 }, "15 000080be a00101"],
  ["a text", "ab", `2202${ascii("ab")} a00103`],
  ["a list of integers", [1, -2], "4001 40 feffffffffffffffff01 a00107"],
])("attribute: %s", (_, value, fields) => {
  const bytes = hex(encodeModel({ ...EMPTY, nodes: [{ op: "Op", domain: "", inputs: [], outputs: [], attributes: { k: value } }] }));

  const attribute = expected(`0a01${ascii("k")} ${fields}`);
  const length = (attribute.length / 2).toString(16).padStart(2, "0");
  expect(bytes).toContain(expected(`2202${ascii("Op")} 2a${length} ${attribute} 3a00`));
});
