import { expect, test } from "vitest";
import { matrixUnitMode, useMatrixUnits } from "../../../src/backend/webgpu/precision.ts";
import { matrixUnitProgram } from "../../../src/backend/webgpu/matrix-unit-program.ts";
import type { OpenDevice } from "../../../src/backend/webgpu/device.ts";

interface Card {
  readonly features?: readonly string[];
  readonly subgroup?: number;
  readonly configs?: readonly { readonly componentType: string; readonly M: number; readonly N: number; readonly K: number }[];
}

const FEATURES = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"];
const HALVES = { componentType: "f16", M: 16, N: 16, K: 16 };

/** What is read of a device. */
function card({ features = FEATURES, subgroup = 32, configs = [HALVES] }: Card = {}): Pick<OpenDevice, "device" | "info" | "description"> {
  const device = { features: new Set(features) };
  const info = { subgroupMinSize: subgroup, subgroupMaxSize: subgroup, subgroupMatrixConfigs: configs };
  return { device: device as unknown as GPUDevice, info: info as unknown as GPUAdapterInfo, description: "A Card" };
}

test("a card with matrix units for halves is put to use", () => {
  const own = card();
  useMatrixUnits(own, "split");

  expect(matrixUnitMode({ device: own.device })).toBe("split");
  expect(matrixUnitMode({ device: card().device })).toBeUndefined();
});

test.each<{ what: string } & Card>([
  { what: "without halves", features: FEATURES.slice(1) },
  { what: "without matrix units", features: FEATURES.slice(0, 2) },
  { what: "with other subgroups", subgroup: 64 },
  { what: "whose units take bytes only", configs: [{ componentType: "u8", M: 16, N: 16, K: 32 }] },
  { what: "whose units take smaller pieces only", configs: [{ ...HALVES, K: 8 }] },
])("a card $what is refused", (given) => {
  expect(() => useMatrixUnits(card(given), "half")).toThrow('ConfigError precision: A Card offers no matrix units for halves in subgroups of 32. Got "half", expected "single".\n  Leave precision out.');
});

test("one mode multiplies once, the other three times", () => {
  const operand = { isDepthFirst: false, isAligned: true, isHalf: false };
  const code = (mode: "half" | "split"): string => matrixUnitProgram({ left: operand, right: operand, isResultAligned: true, hasBias: false, hasScale: false, accumulates: false }, mode).code();
  const products = (text: string): number => text.split("subgroupMatrixMultiplyAccumulate").length - 1;

  expect(products(code("half"))).toBe(8);
  expect(products(code("split"))).toBe(24);
});
