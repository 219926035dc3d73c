/** @file Tracer: what a block does, written down as a graph, and where the graph's inputs come from. */
import { engine, type Tensor } from "@tensorflow/tfjs-core";
import type { DropPlace } from "../dropout-mask.ts";
import type { PackedWeight } from "../packed-weight.ts";
import { tidied } from "../tidied.ts";
import type { OrtBackend } from "./backend.ts";
import type { BlockCall, BlockParams } from "./block-call.ts";
import { GraphBuilder, type Value } from "./graph.ts";

/** Where a graph input comes from when the graph runs. */
export type Source = { readonly value: Value } & ({ readonly kind: "input" | "param" | "codes" | "scales"; readonly name: string } | { readonly kind: "mask"; readonly place: DropPlace; readonly name: string } | { readonly kind: "saved"; readonly index: number } | { readonly kind: "gradient" });

/** Runs a block on symbols and notes which weights it reads and what it asks about them. */
export class Tracer {
  readonly builder = new GraphBuilder();
  readonly reads = new Map<string, string>();
  readonly asks = new Map<string, boolean>();
  readonly drops = new Map<DropPlace, boolean>();
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly params: BlockParams;
  readonly #backend: OrtBackend;
  readonly #sources: Source[] = [];
  readonly #weights = new Map<string, Tensor>();
  readonly #masks = new Map<string, Tensor>();
  readonly #placeholders: Tensor[] = [];

  constructor(backend: OrtBackend, call: BlockCall) {
    this.#backend = backend;
    this.inputs = Object.fromEntries(
      Object.entries(call.inputs).map(([name, { shape }]) => {
        const { tensor, value } = this.placeholder(shape);
        this.#sources.push({ kind: "input", name, value });
        return [name, tensor];
      }),
    );
    this.params = this.#view(call.params, "");
  }

  trace<T>(body: () => T): T {
    const result = tidied(() => this.#backend.trace(this.builder, body));
    for (const tensor of this.#placeholders) tensor.dispose();
    return result;
  }

  placeholder(shape: readonly number[]): { tensor: Tensor; value: Value } {
    const value = this.builder.input(shape);
    return { value, tensor: this.#symbol(value) };
  }

  valueOf(tensor: Tensor): Value {
    return this.#backend.graphValue(this.builder, tensor);
  }

  sources(): readonly Source[] {
    return this.#sources;
  }

  #view(params: BlockParams, prefix: string): BlockParams {
    return {
      get: (name) => {
        const packed = params.packed(name);
        return packed === undefined ? this.#weight(prefix + name, params.get(name)) : this.#packedWeight(prefix + name, packed);
      },
      packed: (name) => params.packed(name),
      halves: (name) => params.halves(name),
      has: (name) => {
        const answer = params.has(name);
        this.asks.set(prefix + name, answer);
        return answer;
      },
      isTrainable: (name) => params.isTrainable(name),
      trainsWithin: (inner) => params.trainsWithin(inner),
      kept: params.kept,
      drops: (place) => {
        const answer = params.drops(place);
        this.drops.set(place, answer);
        return answer;
      },
      dropoutMask: (place, module, shape) => this.#mask(place, prefix + module, shape),
      scope: (inner) => this.#view(params.scope(inner), `${prefix}${inner}.`),
    };
  }

  #weight(name: string, weight: Tensor): Tensor {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const { tensor, value } = this.placeholder(weight.shape);
    this.#sources.push({ kind: "param", name, value });
    return this.#noted(name, weight, tensor);
  }

  /** The graph unpacks the matrix each time it runs: as floats it does not outlive the run. */
  #packedWeight(name: string, packed: PackedWeight): Tensor {
    const known = this.#weights.get(name);
    if (known !== undefined) return known;
    const { scales, block, shape } = packed;
    const codes = this.builder.input([scales.length, block], "int8");
    const factors = this.builder.input([scales.length]);
    this.#sources.push({ kind: "codes", name, value: codes }, { kind: "scales", name, value: factors });
    const blocks = this.builder.op("DequantizeLinear", [codes, factors], { shape: codes.shape, attributes: { axis: 0 } });
    return this.#noted(name, packed, this.#symbol(this.builder.op("Reshape", [blocks, this.builder.integers(shape)], { shape })));
  }

  /** One for both directions: it is made whenever a graph that reads it runs, and never kept. */
  #mask(place: DropPlace, name: string, shape: readonly number[]): Tensor {
    const known = this.#masks.get(name);
    if (known !== undefined) return known;
    const { tensor, value } = this.placeholder(shape);
    this.#masks.set(name, tensor);
    this.#sources.push({ kind: "mask", place, name, value });
    return tensor;
  }

  #noted(name: string, weight: Tensor | PackedWeight, symbol: Tensor): Tensor {
    this.#weights.set(name, symbol);
    this.reads.set(name, formOf(weight));
    return symbol;
  }

  #symbol(value: Value): Tensor {
    const tensor = engine().keep(engine().makeTensorFromTensorInfo(this.#backend.symbol(value)));
    this.#placeholders.push(tensor);
    return tensor;
  }
}

/** Weights of one form may take each other's place in a graph. */
export function formOf(weight: Tensor | PackedWeight): string {
  return "codes" in weight ? `${weight.shape.join()} in blocks of ${weight.block}` : weight.shape.join();
}
