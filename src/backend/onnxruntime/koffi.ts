/** @file The part of koffi's surface that is used, typed more narrowly than its own declarations. */

export interface Koffi {
  load(path: string): { func(name: string, result: string, parameters: readonly string[]): (...args: readonly unknown[]) => unknown };
  proto(result: string, parameters: readonly string[]): unknown;
  decode(pointer: unknown, offset: number, type: string): unknown;
  decode(pointer: unknown, type: unknown): (...args: readonly unknown[]) => unknown;
  address(memory: NodeJS.TypedArray): bigint;
}
