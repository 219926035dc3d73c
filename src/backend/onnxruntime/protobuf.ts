/** @file The part of the ONNX protobuf format that a compute graph needs, as bytes. Field numbers: onnx.proto3, IR version 8. */
import { concatArrays } from "../../core/arrays.ts";

export type ElementType = "float32" | "int32" | "int64" | "int8";

export interface TensorType {
  readonly name: string;
  readonly type: ElementType;
  /** A string is a symbolic dimension: any size. */
  readonly shape: readonly (number | string)[];
}

export interface Initializer {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Little-endian raw values. */
  readonly bytes: Uint8Array;
}

export type AttributeValue = number | readonly number[] | string | { readonly float: number };

export interface GraphNode {
  readonly op: string;
  /** "" = the standard ONNX operators; "com.microsoft" = ONNX Runtime's own. */
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** A plain number is an integer attribute; `{ float }` a floating-point one. */
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface OnnxGraph {
  readonly nodes: readonly GraphNode[];
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
  readonly initializers: readonly Initializer[];
}

/** ONNX's numbers for element types; the C API uses the same. */
export const ELEMENT_TYPES = { float32: 1, int8: 3, int32: 6, int64: 7 } as const satisfies Record<ElementType, number>;
const OPSETS = [
  ["", 17],
  ["com.microsoft", 1],
] as const;

/** The serialised ModelProto of a graph. */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  return concatBytes([
    integerField(1, 8),
    ...OPSETS.map(([domain, version]) => bytesField(8, concatBytes([textField(1, domain), integerField(2, version)]))),
    bytesField(7, encodeGraph(graph)),
  ]);
}

function encodeGraph(graph: OnnxGraph): Uint8Array {
  return concatBytes([
    ...graph.nodes.map((node) => bytesField(1, encodeNode(node))),
    textField(2, "m2se"),
    ...graph.initializers.map((tensor) => bytesField(5, encodeInitializer(tensor))),
    ...graph.inputs.map((input) => bytesField(11, encodeTensorType(input))),
    ...graph.outputs.map((output) => bytesField(12, encodeTensorType(output))),
  ]);
}

function encodeNode(node: GraphNode): Uint8Array {
  return concatBytes([
    ...node.inputs.map((name) => textField(1, name)),
    ...node.outputs.map((name) => textField(2, name)),
    textField(4, node.op),
    ...Object.entries(node.attributes).map(([name, value]) => bytesField(5, encodeAttribute(name, value))),
    textField(7, node.domain),
  ]);
}

/** AttributeProto: f = 2 (type 1), i = 3 (2), s = 4 (3), ints = 8 (7). */
function encodeAttribute(name: string, value: AttributeValue): Uint8Array {
  const [type, ...fields] =
    typeof value === "number"
      ? [2, integerField(3, value)]
      : typeof value === "string"
        ? [3, bytesField(4, new TextEncoder().encode(value))]
        : "float" in value
          ? [1, floatField(2, value.float)]
          : [7, ...value.map((integer) => integerField(8, integer))];
  return concatBytes([textField(1, name), ...fields, integerField(20, type)]);
}

function encodeInitializer({ name, type, shape, bytes }: Initializer): Uint8Array {
  return concatBytes([
    ...shape.map((size) => integerField(1, size)),
    integerField(2, ELEMENT_TYPES[type]),
    textField(8, name),
    bytesField(9, bytes),
  ]);
}

function encodeTensorType({ name, type, shape }: TensorType): Uint8Array {
  const dimensions = shape.map((size) => bytesField(1, typeof size === "number" ? integerField(1, size) : textField(2, size)));
  const tensor = concatBytes([integerField(1, ELEMENT_TYPES[type]), bytesField(2, concatBytes(dimensions))]);
  return concatBytes([textField(1, name), bytesField(2, bytesField(1, tensor))]);
}

function integerField(field: number, value: number): Uint8Array {
  return concatBytes([varint(field * 8), varint(value)]);
}

function floatField(field: number, value: number): Uint8Array {
  return concatBytes([varint(field * 8 + 5), new Uint8Array(new Float32Array([value]).buffer)]);
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return concatBytes([varint(field * 8 + 2), varint(bytes.length), bytes]);
}

function textField(field: number, text: string): Uint8Array {
  return bytesField(field, new TextEncoder().encode(text));
}

/** Base-128 integer, low group first; negative numbers as 64-bit two's complement. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const group = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? group : group | 0x80);
  } while (rest !== 0n);
  return Uint8Array.from(bytes);
}

function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  return concatArrays(Uint8Array, parts);
}
