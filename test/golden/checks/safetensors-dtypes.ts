/** @file Kind safetensors-dtypes: every type of number, exact after widening to double. */
import { z } from "zod";
import { openSafetensors } from "../../../src/model/checkpoints/safetensors.ts";
import type { Check } from "../check-set.ts";
import { exact } from "../comparison.ts";
import type { GoldenSet } from "../golden-set.ts";

const schema = z.looseObject({ tensors: z.record(z.string(), z.looseObject({ dtype: z.string(), shape: z.array(z.number()), values: z.array(z.number()) })) });

export function checkSafetensorsDtypes(set: GoldenSet): Check[] {
  const { tensors } = set.json(schema);
  return [
    {
      name: "tensors",
      run: async () => {
        const file = await openSafetensors(set.path("tensors.safetensors"));
        try {
          const names = exact("names", [...file.names].sort(), Object.keys(tensors).sort());
          const each = Object.entries(tensors).map(async ([name, { dtype, shape, values }]) => {
            const info = file.info(name);
            const read = Array.from<number | bigint>(await file.read(name)).map(Number);
            return exact(name, [info.dtype, ...info.shape, ...read], [dtype, ...shape, ...values]);
          });
          return [names, ...(await Promise.all(each))];
        } finally {
          await file.close();
        }
      },
    },
  ];
}
