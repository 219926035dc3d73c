import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { embedBatch, hiddenStates, logitsAt } from "../../src/model/emoverse.ts";
import { PEFT_PREFIX, addGoldenAdapter, causalBias, goldenChat, type GoldenChat } from "./golden-chat.ts";
import { randomTensor, relativeError, useBackend } from "./support.ts";

const V = 320;
const TABLE = "language_model.model.embed_tokens.weight";

/** Prefix of 4, two branches of 3 and 2, then an independent tree of 3; labels on the branches and the second tree. */
const PREFIX = [11, 22, 33, 44];
const BRANCHES = [[100, 101, 102], [200, 201]] as const;
const OTHER = [7, 8, 9];
const PACKED = {
  ids: [...PREFIX, ...BRANCHES[0], ...BRANCHES[1], ...OTHER],
  positions: [0, 1, 2, 3, 4, 5, 6, 4, 5, 0, 1, 2],
  segments: [1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4],
  parents: new Map([[2, 1], [3, 1]]),
};

let chat: GoldenChat;
let adapterKeys: string[];

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeAll(async () => {
    await useBackend(backend);
    chat = await goldenChat();
    adapterKeys = await addGoldenAdapter(chat.params);
  });

  test("embeddings are the tokens' own, or feature rows: video first, then audio", () => {
    const [visual, audio] = [randomTensor("visual", [3, 64]), randomTensor("audio", [2, 64])];
    const table = chat.params.get(TABLE);
    const batch = { batchSize: 2, length: 3, inputIds: Int32Array.of(5, 317, 317, 317, 9, 5), featureIndex: Int32Array.of(-1, 2, 4, 2, -1, -1) };

    const embeds = embedBatch(chat.params, chat.config, batch, { visual, audio });

    const rows = [row(table, 5), row(visual, 2), row(audio, 1), row(visual, 2), row(table, 9), row(table, 5)];
    expect(embeds.shape).toEqual([2, 3, 64]);
    expect(relativeError(embeds, tf.reshape(tf.concat(rows, 0), [2, 3, 64]))).toBe(0);
  });

  test("embeddings pass their gradient to every token and feature row that was read, and to nothing else", () => {
    const visual = randomTensor("visual", [3, 64]);
    const batch = { batchSize: 1, length: 5, inputIds: Int32Array.of(5, 317, 317, 7, 5), featureIndex: Int32Array.of(-1, 2, 2, -1, -1) };
    const dy = randomTensor("dy", [1, 5, 64]);

    const [dTable, dVisual] = tf.grads(() => embedBatch(chat.params, chat.config, batch, { visual }))([chat.params.get(TABLE), visual], dy);

    const given = tf.reshape(dy, [5, 64]);
    expect(relativeError(row(dTable!, 5), tf.add(row(given, 0), row(given, 4)))).toBeLessThan(1e-6);
    expect(relativeError(row(dTable!, 7), row(given, 3))).toBe(0);
    expect(relativeError(row(dVisual!, 2), tf.add(row(given, 1), row(given, 2)))).toBeLessThan(1e-6);
    expect(nonZeroRows(dTable!)).toEqual([5, 7]);
    expect(nonZeroRows(dVisual!)).toEqual([2]);
  });

  test("a row alone equals its row in a batch of three", () => {
    const rows = [[3, 14, 15, 92, 65], [35, 89, 79, 32, 38], [46, 26, 43, 38, 32]];

    const together = logitsOfRows(rows);

    for (const [i, ids] of rows.entries()) expect(relativeError(logitsOfRows([ids]), tf.slice(together, [i, 0, 0], [1, 5, V]))).toBeLessThan(2e-6);
  });

  test("a later token never changes earlier logits", () => {
    const before = logitsOfRows([[3, 14, 15, 92, 65]]);
    const after = logitsOfRows([[3, 14, 15, 92, 66]]);

    expect(relativeError(tf.slice(after, [0, 0, 0], [1, 4, V]), tf.slice(before, [0, 0, 0], [1, 4, V]))).toBe(0);
    expect(relativeError(tf.slice(after, [0, 4, 0], [1, 1, V]), tf.slice(before, [0, 4, 0], [1, 1, V]))).toBeGreaterThan(0.01);
  });

  test("a tree-masked row has the logits, the loss and the gradients of its separate sequences", () => {
    const names = [...adapterKeys.map((key) => key.slice(PEFT_PREFIX.length)), TABLE, "language_model.model.layers.0.self_attn.q_proj.bias", "language_model.model.layers.1.input_layernorm.weight", "language_model.lm_head.weight"];
    chat.params.setTrainable(names);
    const weights = names.map((name) => chat.params.get(name));
    const packed = (): Tensor => logits({ ids: PACKED.ids, positions: PACKED.positions, bias: treeBias() });
    const separate = (): Tensor[] => [[...PREFIX, ...BRANCHES[0]], [...PREFIX, ...BRANCHES[1]], OTHER].map((ids) => tf.reshape(logitsOfRows([ids]), [ids.length, V]));
    const packedLoss = (): tf.Scalar => maskedCrossEntropy(packed(), Int32Array.of(-1, -1, -1, -1, 101, 102, 2, 201, 2, 8, 9, 2)).sum;
    const separateLabels = [[-1, -1, -1, -1, 101, 102, 2], [-1, -1, -1, -1, 201, 2], [8, 9, 2]];
    const separateLoss = (): tf.Scalar => separate().map((part, i) => maskedCrossEntropy(part, Int32Array.from(separateLabels[i]!)).sum).reduce((a, b) => tf.add(a, b));

    const [first, second, other] = separate();
    const expected = tf.concat([first!, tf.slice(second!, [4, 0], [2, V]), other!], 0);
    const packedGradients = tf.grads(packedLoss)(weights);
    const separateGradients = tf.grads(separateLoss)(weights);

    expect(relativeError(packed(), expected)).toBeLessThan(1e-5);
    expect(packedLoss().arraySync() / separateLoss().arraySync()).toBeCloseTo(1, 5);
    expect(packedGradients.length).toBe(32);
    for (const [i, gradient] of packedGradients.entries()) expect(relativeError(gradient, separateGradients[i]!), names[i]).toBeLessThan(1e-5);
  });

  test("a forward and backward pass leaves no tensor behind", () => {
    const names = adapterKeys.map((key) => key.slice(PEFT_PREFIX.length));
    chat.params.setTrainable(names);
    const weights = names.map((name) => chat.params.get(name));
    const loss = (): tf.Scalar => maskedCrossEntropy(tf.reshape(logitsOfRows([[3, 14, 15]]), [3, V]), Int32Array.of(1, 2, 3)).sum;
    const step = (): number =>
      tf.tidy(() => {
        const { value, grads } = tf.valueAndGrads(loss)(weights);
        return [value, ...grads].reduce((sum, tensor) => sum + tensor.dataSync()[0]!, 0);
      });
    const first = step(); // compiles, where blocks are compiled
    const before = tf.memory().numTensors;

    const values = [first, step(), step(), step()];

    expect(new Set(values).size).toBe(1);
    expect(Number.isFinite(values[0])).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
  });
});

function treeBias(): Tensor {
  const { segments, parents } = PACKED;
  const visible = (query: number, key: number): boolean => key <= query && (segments[key] === segments[query] || segments[key] === parents.get(segments[query]!));
  return tf.tensor3d([segments.map((_, query) => segments.map((__, key) => (visible(query, key) ? 0 : -1e9)))]);
}

/** Logits [B, S, V] of plain causal rows of equal length. */
function logitsOfRows(rows: readonly (readonly number[])[]): Tensor {
  const [batchSize, length] = [rows.length, rows[0]!.length];
  const flat = logits({
    ids: rows.flat(),
    positions: rows.flatMap((ids) => [...ids.keys()]),
    bias: causalBias(rows.flatMap((ids) => ids.map(() => 1)), { batchSize, queries: length }),
  });
  return tf.reshape(flat, [batchSize, length, V]);
}

/** Logits [B * S, V] of text. */
function logits({ ids, positions, bias }: { ids: readonly number[]; positions: readonly number[]; bias: Tensor }): Tensor {
  const batchSize = bias.shape[0];
  const batch = { batchSize, length: ids.length / batchSize, inputIds: Int32Array.from(ids), featureIndex: new Int32Array(ids.length).fill(-1) };
  const embeds_BSD = embedBatch(chat.params, chat.config, batch, {});
  const hidden = hiddenStates(chat.params, chat.config, { embeds_BSD, positionIds: Int32Array.from(positions), bias_BSL: bias });
  return logitsAt(chat.params, chat.config, hidden, Int32Array.from(ids.keys()));
}

function row(table: Tensor, index: number): Tensor {
  return tf.slice(table, [index, 0], [1, table.shape[1]!]);
}

function nonZeroRows(table: Tensor): number[] {
  const largest = tf.max(tf.abs(table), 1).dataSync();
  return [...largest.keys()].filter((i) => largest[i]! > 0);
}
